// Arithmetic that the CPU and the CUDA loops share: boxes, sampling positions, bins, mask cells.
// Both compilers run it without contraction (no fused multiply-add), so that both devices take the same discrete decisions.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define SGG_SHARED_CODE __host__ __device__ __forceinline__
#else
#define SGG_SHARED_CODE inline
#endif

namespace sgg {

template <typename T>
SGG_SHARED_CODE T smaller(T a, T b) {
  return a < b ? a : b;
}

template <typename T>
SGG_SHARED_CODE T larger(T a, T b) {
  return a > b ? a : b;
}

// Area of a box whose corner pixels both belong to it.
template <typename T>
SGG_SHARED_CODE T box_area(T x1, T y1, T x2, T y2) {
  return (x2 - x1 + T(1)) * (y2 - y1 + T(1));
}

template <typename T>
SGG_SHARED_CODE T overlap(T ax1, T ay1, T ax2, T ay2, T area_a, T bx1, T by1, T bx2, T by2, T area_b) {
  const T width = larger(smaller(ax2, bx2) - larger(ax1, bx1) + T(1), T(0));
  const T height = larger(smaller(ay2, by2) - larger(ay1, by1) + T(1), T(0));
  const T inter = width * height;
  return inter / (area_a + area_b - inter);
}

template <typename T>
SGG_SHARED_CODE T overlap(const T* a, const T* b) {
  return overlap(a[0], a[1], a[2], a[3], box_area(a[0], a[1], a[2], a[3]), b[0], b[1], b[2], b[3], box_area(b[0], b[1], b[2], b[3]));
}

// One axis of ROIAlign (not aligned: no half-pixel shift). Bilinear sampling is a product of the two axes.
template <typename T>
struct AlignAxis {
  T start;         // of the roi, in cells of the map
  T bin;           // length of a bin in cells
  int64_t samples; // a bin; 0 where the roi is not finite

  SGG_SHARED_CODE AlignAxis(T low, T high, T scale, int64_t bins, int64_t sampling_ratio) {
    start = low * scale;
    const T length = larger(T(1), high * scale - start);  // not a number stays not a number
    bin = length / static_cast<T>(bins);
    const bool finite = (start - start == T(0)) && (length - length == T(0));
    samples = !finite ? 0 : sampling_ratio > 0 ? sampling_ratio : static_cast<int64_t>(std::ceil(bin));
  }

  SGG_SHARED_CODE T position(int64_t b, int64_t sample) const {
    return start + static_cast<T>(b) * bin + (static_cast<T>(sample) + T(0.5)) * bin / static_cast<T>(samples);
  }
};

// The two cells that a position lies between, and their weights.
template <typename T>
struct Taps {
  int64_t low, high;
  T low_weight, high_weight;

  // False: the position is more than a cell outside of the map and counts as zero.
  SGG_SHARED_CODE bool at(T position, int64_t size) {
    if (!(position >= T(-1) && position <= static_cast<T>(size))) {
      return false;
    }
    position = larger(position, T(0));
    low = static_cast<int64_t>(position);
    if (low >= size - 1) {
      low = high = size - 1;
      low_weight = T(1);
      high_weight = T(0);
      return size > 0;
    }
    high = low + 1;
    high_weight = position - static_cast<T>(low);
    low_weight = T(1) - high_weight;
    return true;
  }
};

// Cells of one bin of ROIPool along one axis, [first, last).
template <typename T>
struct PoolAxis {
  int64_t start;
  T bin;

  SGG_SHARED_CODE PoolAxis(T low, T high, T scale, int64_t bins) {
    // Far outside of any map already; keeps the conversion to an integer defined.
    const T limit = T(1e9);
    start = static_cast<int64_t>(std::round(larger(-limit, smaller(low * scale, limit))));
    const int64_t end = static_cast<int64_t>(std::round(larger(-limit, smaller(high * scale, limit))));
    bin = static_cast<T>(larger<int64_t>(end - start + 1, 1)) / static_cast<T>(bins);
  }

  SGG_SHARED_CODE int64_t first(int64_t b, int64_t size) const {
    return smaller(larger<int64_t>(static_cast<int64_t>(std::floor(static_cast<T>(b) * bin)) + start, 0), size);
  }

  SGG_SHARED_CODE int64_t last(int64_t b, int64_t size) const {
    return smaller(larger<int64_t>(static_cast<int64_t>(std::ceil(static_cast<T>(b + 1) * bin)) + start, 0), size);
  }
};

// Does cell lie between floor(low) and ceil(high), both scaled from an image of this size to a grid of `resolution` cells?
template <typename T>
SGG_SHARED_CODE bool mask_covers(T low, T high, T ratio, int64_t cell) {
  return static_cast<T>(cell) >= std::floor(low * ratio) && static_cast<T>(cell) <= std::ceil(high * ratio);
}

}  // namespace sgg
