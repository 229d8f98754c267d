// ROIPool on the GPU: a thread a value of the output.
#pragma once

#include <ATen/Context.h>
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "cuda_common.cuh"
#include "geometry.h"
#include "ops.h"

namespace sgg::cuda {
namespace {

struct Map {
  int64_t images, channels, height, width;
};

template <typename T, typename S>
__global__ void pool_forward(Map size, const T* map, const S* rois, S scale, int64_t bins_high, int64_t bins_wide, int64_t count, T* out,
                             int64_t* argmax) {
  for (int64_t index = first_item(); index < count; index += item_step()) {
    const int64_t w = index % bins_wide, h = index / bins_wide % bins_high;
    const int64_t c = index / (bins_wide * bins_high) % size.channels;
    const S* roi = rois + 5 * (index / (bins_wide * bins_high * size.channels));
    const auto image = static_cast<int64_t>(roi[0]);
    CUDA_KERNEL_ASSERT(roi[0] >= S(0) && image < size.images);
    const T* plane = map + (image * size.channels + c) * size.height * size.width;
    const PoolAxis<S> x(roi[1], roi[3], scale, bins_wide), y(roi[2], roi[4], scale, bins_high);
    const int64_t x0 = x.first(w, size.width), x1 = x.last(w, size.width), y0 = y.first(h, size.height), y1 = y.last(h, size.height);
    const bool empty = y1 <= y0 || x1 <= x0;
    int64_t best = empty ? -1 : y0 * size.width + x0;
    S value = empty ? S(0) : static_cast<S>(plane[best]);
    for (int64_t i = y0; i < y1; ++i) {
      for (int64_t j = x0; j < x1; ++j) {
        const S candidate = static_cast<S>(plane[i * size.width + j]);
        if (candidate > value) {
          value = candidate;
          best = i * size.width + j;
        }
      }
    }
    out[index] = static_cast<T>(value);
    argmax[index] = best;
  }
}

template <typename T, typename S>
__global__ void pool_backward(Map size, const T* grad, const S* rois, const int64_t* argmax, int64_t bins, int64_t count, S* map) {
  for (int64_t index = first_item(); index < count; index += item_step()) {
    if (argmax[index] >= 0) {
      const int64_t c = index / bins % size.channels;
      const auto image = static_cast<int64_t>(rois[5 * (index / (bins * size.channels))]);
      atomicAdd(map + (image * size.channels + c) * size.height * size.width + argmax[index], static_cast<S>(grad[index]));
    }
  }
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,
                                            double scale) {
  const c10::cuda::CUDAGuard guard(features.device());
  const auto type = features.scalar_type();
  const auto map = features.contiguous();
  const auto boxes = rois.to(sum_type(type)).contiguous();
  auto out = at::empty({rois.size(0), map.size(1), height, width}, map.options());
  auto argmax = at::empty(out.sizes(), map.options().dtype(at::kLong));
  if (out.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, type, "roi_pool", [&] {
      pool_forward<scalar_t, Sum<scalar_t>><<<blocks_for(out.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          Map{map.size(0), map.size(1), map.size(2), map.size(3)}, map.template const_data_ptr<scalar_t>(),
          boxes.template const_data_ptr<Sum<scalar_t>>(), static_cast<Sum<scalar_t>>(scale), height, width, out.numel(),
          out.template mutable_data_ptr<scalar_t>(), argmax.mutable_data_ptr<int64_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  }
  return {out, argmax};
}

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois, const at::Tensor& argmax, at::IntArrayRef sizes) {
  at::globalContext().alertNotDeterministic("roi_pool_backward on CUDA");
  const c10::cuda::CUDAGuard guard(grad.device());
  const auto type = grad.scalar_type();
  const auto incoming = grad.contiguous();
  const auto boxes = rois.to(sum_type(type)).contiguous();
  auto map = at::zeros(sizes, grad.options().dtype(sum_type(type)));
  if (grad.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, type, "roi_pool_backward", [&] {
      pool_backward<scalar_t, Sum<scalar_t>><<<blocks_for(grad.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          Map{sizes[0], sizes[1], sizes[2], sizes[3]}, incoming.template const_data_ptr<scalar_t>(),
          boxes.template const_data_ptr<Sum<scalar_t>>(), argmax.const_data_ptr<int64_t>(), grad.size(2) * grad.size(3), grad.numel(),
          map.template mutable_data_ptr<Sum<scalar_t>>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  }
  return map.to(type);
}

}  // namespace sgg::cuda
