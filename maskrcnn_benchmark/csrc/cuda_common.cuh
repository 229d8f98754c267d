// What every CUDA file needs: launch shape, stream, the type that sums are kept in.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <type_traits>

namespace sgg::cuda {

constexpr int kThreads = 256;

// Blocks for `count` items; kernels step by the whole grid, so that any number of items is covered.
inline unsigned int blocks_for(int64_t count) {
  return static_cast<unsigned int>(std::min<int64_t>((count + kThreads - 1) / kThreads, 1 << 16));
}

__device__ inline int64_t first_item() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline int64_t item_step() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

// Half precision is summed in float.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline at::ScalarType sum_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace sgg::cuda
