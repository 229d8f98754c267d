// How the CPU pools rois: kLanes channels of a map are laid side by side in a scratch block, cell by cell, so that every step works on
// whole vectors of channels whatever the memory format and dtype of the map. A thread packs a block once, and pools all its rois from it.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include "simd.h"

namespace sgg::cpu {

constexpr int64_t kLanes = 16;

// Half precision is summed in float.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline at::ScalarType sum_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

// One image of one map, with the rois that are pooled from it and the rows that they reach.
struct MapGroup {
  int64_t level, image;
  std::vector<int64_t> poolings;
  int64_t first_row = INT64_MAX, end_row = 0;

  void reach(int64_t first, int64_t end) {
    if (first < end) {
      first_row = std::min(first_row, first);
      end_row = std::max(end_row, end);
    }
  }

  int64_t rows() const { return std::max<int64_t>(end_row - first_row, 0); }
};

// Where the channels of a block lie in a map: strides in values.
struct BlockView {
  int64_t rows, width, lanes;
  int64_t row_stride, column_stride, channel_stride;
};

inline BlockView block_view(const at::Tensor& map, const MapGroup& group, int64_t first_channel) {
  return {group.rows(), map.size(3), std::min(kLanes, map.size(1) - first_channel), map.stride(2), map.stride(3), map.stride(1)};
}

inline int64_t block_offset(const at::Tensor& map, const MapGroup& group, int64_t first_channel) {
  return group.rows() == 0 ? 0 : group.image * map.stride(0) + first_channel * map.stride(1) + group.first_row * map.stride(2);
}

// map -> cells (rows, width, kLanes); lanes beyond the last channel stay as they are.
template <typename T, typename S>
SGG_SIMD void pack(const T* __restrict__ map, BlockView view, S* __restrict__ cells) {
  for (int64_t y = 0; y < view.rows; ++y, map += view.row_stride, cells += view.width * kLanes) {
    if (view.channel_stride == 1 && view.lanes == kLanes) {
      for (int64_t x = 0; x < view.width; ++x) {
        const T* cell = map + x * view.column_stride;
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          cells[x * kLanes + lane] = static_cast<S>(cell[lane]);
        }
      }
    } else {
      for (int64_t x = 0; x < view.width; ++x) {
        const T* cell = map + x * view.column_stride;
        for (int64_t lane = 0; lane < view.lanes; ++lane) {
          cells[x * kLanes + lane] = static_cast<S>(cell[lane * view.channel_stride]);
        }
      }
    }
  }
}

// cells (rows, width, kLanes) -> map.
template <typename T, typename S>
SGG_SIMD void unpack(const S* __restrict__ cells, BlockView view, T* __restrict__ map) {
  for (int64_t y = 0; y < view.rows; ++y, map += view.row_stride, cells += view.width * kLanes) {
    for (int64_t lane = 0; lane < view.lanes; ++lane) {
      T* channel = map + lane * view.channel_stride;
      for (int64_t x = 0; x < view.width; ++x) {
        channel[x * view.column_stride] = static_cast<T>(cells[x * kLanes + lane]);
      }
    }
  }
}

// Calls run(group, first channel, first and last of the group's poolings, scratch) for every piece of work, shared out over the threads;
// `scratch` is a vector that a thread keeps from piece to piece. Groups are cut only where `divisible` and threads would idle otherwise.
template <typename S, typename Run>
void for_each_block(const std::vector<MapGroup>& groups, int64_t channels, bool divisible, const Run& run) {
  const int64_t blocks = (channels + kLanes - 1) / kLanes, pieces = blocks * static_cast<int64_t>(groups.size());
  if (pieces == 0) {
    return;
  }
  const int64_t parts = divisible ? (at::get_num_threads() + pieces - 1) / pieces : 1;
  at::parallel_for(0, pieces * parts, 1, [&](int64_t from, int64_t to) {
    std::vector<S> scratch;
    for (int64_t task = from; task < to; ++task) {
      const MapGroup& group = groups[task / parts % groups.size()];
      const int64_t count = static_cast<int64_t>(group.poolings.size()), part = task % parts;
      run(group, task / (parts * static_cast<int64_t>(groups.size())) * kLanes, count * part / parts, count * (part + 1) / parts,
          scratch);
    }
  });
}

}  // namespace sgg::cpu
