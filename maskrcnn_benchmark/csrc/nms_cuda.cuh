// Greedy NMS on the GPU, per group.
//
// Boxes are sorted by group, then score. Each box gets a row of bits: which later boxes of its group it overlaps. Then one block a group
// walks its rows, 64 boxes at a time: the 64 are settled within themselves, their survivors' rows strike out the rest.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/unique_consecutive.h>
#include <ATen/ops/zeros.h>

#include "cuda_common.cuh"
#include "geometry.h"
#include "ops.h"

namespace sgg::cuda {
namespace {

constexpr int kWord = 64;

// A group of boxes: [begin, begin + count) in sorted order; its bits from mask_begin, words() a row.
struct Groups {
  const int64_t* begin;
  const int64_t* count;
  const int64_t* mask_begin;
};

__device__ inline int64_t words(int64_t count) {
  return (count + kWord - 1) / kWord;
}

// A block a box, a thread a word of its row. Only words from the box's own on are written, and only those are read.
template <typename T>
__global__ void overlap_bits(Groups groups, const T* boxes, const int64_t* group_of, T threshold, int64_t n, uint64_t* mask) {
  for (int64_t box = blockIdx.x; box < n; box += gridDim.x) {
    const int64_t group = group_of[box], begin = groups.begin[group], count = groups.count[group];
    const int64_t row = box - begin, width = words(count);
    for (int64_t word = row / kWord + threadIdx.x; word < width; word += blockDim.x) {
      uint64_t bits = 0;
      const int64_t last = smaller<int64_t>((word + 1) * kWord, count);
      for (int64_t other = larger<int64_t>(word * kWord, row + 1); other < last; ++other) {
        if (overlap(boxes + 4 * box, boxes + 4 * (begin + other)) > threshold) {
          bits |= uint64_t(1) << (other - word * kWord);
        }
      }
      mask[groups.mask_begin[group] + row * width + word] = bits;
    }
  }
}

// A block a group. `struck` holds the group's bits from word_begin on, zero at the start.
__global__ void settle(Groups groups, const int64_t* word_begin, int64_t num_groups, const uint64_t* mask, uint64_t* struck, bool* keep) {
  __shared__ uint64_t diagonal[kWord];
  __shared__ uint64_t survivors;
  for (int64_t group = blockIdx.x; group < num_groups; group += gridDim.x) {
    const int64_t begin = groups.begin[group], count = groups.count[group], width = words(count);
    const uint64_t* rows = mask + groups.mask_begin[group];
    uint64_t* dead = struck + word_begin[group];
    for (int64_t word = 0; word < width; ++word) {
      const int64_t first = word * kWord;
      const int size = static_cast<int>(smaller<int64_t>(kWord, count - first));
      for (int i = threadIdx.x; i < size; i += blockDim.x) {
        diagonal[i] = rows[(first + i) * width + word];
      }
      __syncthreads();  // the diagonal is there, and so is every thread's part of `dead`
      if (threadIdx.x == 0) {
        uint64_t gone = dead[word], alive = 0;
        for (int i = 0; i < size; ++i) {
          if (!(gone >> i & 1)) {
            alive |= uint64_t(1) << i;
            gone |= diagonal[i];
          }
        }
        survivors = alive;
      }
      __syncthreads();
      const uint64_t alive = survivors;
      for (int i = threadIdx.x; i < size; i += blockDim.x) {
        keep[begin + first + i] = alive >> i & 1;
      }
      for (int64_t later = word + 1 + threadIdx.x; later < width; later += blockDim.x) {
        uint64_t bits = dead[later];
        for (int i = 0; i < size; ++i) {
          if (alive >> i & 1) {
            bits |= rows[(first + i) * width + later];
          }
        }
        dead[later] = bits;
      }
      __syncthreads();  // before the diagonal and the survivors are written again
    }
  }
}

at::Tensor exclusive_sum(const at::Tensor& counts) {
  return counts.cumsum(0) - counts;
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, const std::optional<at::Tensor>& groups, double threshold) {
  const c10::cuda::CUDAGuard guard(boxes.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const int64_t n = boxes.size(0);
  const auto integers = scores.options().dtype(at::kLong);
  if (n == 0) {
    return at::empty({0}, integers);
  }
  const auto by_score = scores.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/true);
  at::Tensor ranks, counts, group_of;
  if (groups) {
    const auto group_by_score = groups->index_select(0, by_score);
    ranks = group_by_score.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    at::Tensor names;
    std::tie(names, group_of, counts) = at::unique_consecutive(group_by_score.index_select(0, ranks), /*return_inverse=*/true,
                                                               /*return_counts=*/true);
  } else {
    ranks = at::arange(n, integers);
    group_of = at::zeros({n}, integers);
    counts = at::full({1}, n, integers);
  }
  const auto type = boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto sorted = boxes.index_select(0, by_score.index_select(0, ranks)).to(type).contiguous();
  const auto row_words = (counts + (kWord - 1)).div(kWord, "floor");
  const auto begin = exclusive_sum(counts), mask_sizes = counts * row_words, mask_begin = exclusive_sum(mask_sizes);
  const auto word_begin = exclusive_sum(row_words);
  const int64_t num_groups = counts.size(0);
  auto mask = at::empty({mask_sizes.sum().item<int64_t>()}, integers);
  auto struck = at::zeros({row_words.sum().item<int64_t>()}, integers);
  auto keep = at::empty({n}, scores.options().dtype(at::kBool));
  const Groups view{begin.const_data_ptr<int64_t>(), counts.const_data_ptr<int64_t>(), mask_begin.const_data_ptr<int64_t>()};
  auto* bits = reinterpret_cast<uint64_t*>(mask.mutable_data_ptr<int64_t>());
  AT_DISPATCH_FLOATING_TYPES(type, "nms", [&] {
    overlap_bits<scalar_t><<<static_cast<unsigned int>(std::min<int64_t>(n, 1 << 20)), 64, 0, stream>>>(
        view, sorted.template const_data_ptr<scalar_t>(), group_of.const_data_ptr<int64_t>(), static_cast<scalar_t>(threshold), n, bits);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  settle<<<static_cast<unsigned int>(std::min<int64_t>(num_groups, 1 << 16)), 256, 0, stream>>>(
      view, word_begin.const_data_ptr<int64_t>(), num_groups, bits, reinterpret_cast<uint64_t*>(struck.mutable_data_ptr<int64_t>()),
      keep.mutable_data_ptr<bool>());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  const auto kept_by_rank = at::empty({n}, keep.options()).scatter_(0, ranks, keep);
  return by_score.masked_select(kept_by_rank);
}

}  // namespace sgg::cuda
