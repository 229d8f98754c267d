// Greedy labels on the GPU: one block for all boxes, each thread keeps the best remaining class of its own boxes.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "cuda_common.cuh"
#include "geometry.h"
#include "ops.h"

namespace sgg::cuda {
namespace {

// A candidate; a larger value wins, of equals the earlier row. What is not a number counts as smallest.
struct Candidate {
  double value;
  int64_t row;

  __device__ bool beats(const Candidate& other) const {
    return other.row < 0 || (row >= 0 && (value > other.value || (value == other.value && row < other.row)));
  }
};

__device__ inline double comparable(double value) {
  return value == value ? value : -INFINITY;
}

// The first foreground class of the largest probability.
__device__ inline int64_t best_class(const double* row, int64_t classes) {
  int64_t best = 1;
  for (int64_t c = 2; c < classes; ++c) {
    if (comparable(row[c]) > comparable(row[best])) {
      best = c;
    }
  }
  return best;
}

// labels are 0 at the start and mark by their sign whether a box is settled: its class then, minus its best class before.
template <typename T>
__global__ void assign(double* remaining, const T* boxes, T threshold, int64_t n, int64_t classes, int64_t* labels) {
  __shared__ Candidate candidates[kThreads];
  for (int64_t row = threadIdx.x; row < n; row += blockDim.x) {
    labels[row] = -best_class(remaining + row * classes, classes);
  }
  for (int64_t step = 0; step < n; ++step) {
    Candidate best{0, -1};
    for (int64_t row = threadIdx.x; row < n; row += blockDim.x) {
      if (labels[row] < 0) {
        const Candidate own{comparable(remaining[row * classes - labels[row]]), row};
        best = own.beats(best) ? own : best;
      }
    }
    candidates[threadIdx.x] = best;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
      if (threadIdx.x < half && candidates[threadIdx.x + half].beats(candidates[threadIdx.x])) {
        candidates[threadIdx.x] = candidates[threadIdx.x + half];
      }
      __syncthreads();
    }
    const int64_t taken = candidates[0].row;
    if (taken % blockDim.x == threadIdx.x) {  // the thread that owns the row
      labels[taken] = -labels[taken];
    }
    __syncthreads();
    const int64_t label = labels[taken];
    for (int64_t row = threadIdx.x; row < n; row += blockDim.x) {
      if (labels[row] < 0 && overlap(boxes + 4 * (taken * classes + label), boxes + 4 * (row * classes + label)) >= threshold) {
        remaining[row * classes + label] = 0;
        if (labels[row] == -label) {
          labels[row] = -best_class(remaining + row * classes, classes);
        }
      }
    }
    __syncthreads();  // before the candidates are written again
  }
}

}  // namespace

at::Tensor greedy_labels(const at::Tensor& probabilities, const at::Tensor& boxes, double threshold) {
  const c10::cuda::CUDAGuard guard(probabilities.device());
  const int64_t n = probabilities.size(0), classes = probabilities.size(1);
  auto labels = at::zeros({n}, probabilities.options().dtype(at::kLong));
  if (n == 0) {
    return labels;
  }
  const auto type = boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto corners = boxes.to(type).contiguous();
  auto remaining = at::empty({n, classes}, probabilities.options().dtype(at::kDouble)).copy_(probabilities);
  AT_DISPATCH_FLOATING_TYPES(type, "greedy_labels", [&] {
    assign<scalar_t><<<1, kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
        remaining.mutable_data_ptr<double>(), corners.template const_data_ptr<scalar_t>(), static_cast<scalar_t>(threshold), n, classes,
        labels.mutable_data_ptr<int64_t>());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return labels;
}

}  // namespace sgg::cuda
