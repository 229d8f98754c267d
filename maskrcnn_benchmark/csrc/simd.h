// Marks a hot loop: compiled for several instruction sets, the best one is taken when the library is loaded.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define SGG_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SGG_SIMD
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define SGG_INDEPENDENT _Pragma("GCC ivdep")
#else
#define SGG_INDEPENDENT
#endif
