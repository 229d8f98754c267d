// ROIAlign on the GPU: a thread a value of the output. Backward adds with atomics, so that its sums may differ in the last bit.
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

// One level's part of the work. Strides are in values, so that any memory format is read as it lies.
struct LevelView {
  int64_t images, channels, height, width;
  int64_t image_stride, channel_stride, row_stride, column_stride;
  int64_t level, num_levels, channel_offset, out_channels;
  int64_t rois, bins_high, bins_wide, sampling_ratio;
};

struct Item {
  int64_t roi, channel, h, w;

  __device__ Item(int64_t index, const LevelView& view) {
    w = index % view.bins_wide;
    h = index / view.bins_wide % view.bins_high;
    channel = index / (view.bins_wide * view.bins_high) % view.channels;
    roi = index / (view.bins_wide * view.bins_high * view.channels);
  }

  __device__ int64_t out(const LevelView& view) const {
    return ((roi * view.out_channels + view.channel_offset + channel) * view.bins_high + h) * view.bins_wide + w;
  }
};

// Whether this level is the one that a roi is pooled from; without `levels`, every one is.
__device__ inline bool is_of_level(const LevelView& view, const int64_t* levels, int64_t roi) {
  if (levels == nullptr) {
    return true;
  }
  CUDA_KERNEL_ASSERT(levels[roi] >= 0 && levels[roi] < view.num_levels);
  return levels[roi] == view.level;
}

// Calls use(offset in the map, weight) for every cell that a bin is averaged from.
template <typename S, typename Use>
__device__ void for_each_tap(const LevelView& view, const S* roi, S scale, const Item& item, const Use& use) {
  const auto image = static_cast<int64_t>(roi[0]);
  CUDA_KERNEL_ASSERT(roi[0] >= S(0) && image < view.images);
  const AlignAxis<S> x(roi[1], roi[3], scale, view.bins_wide, view.sampling_ratio);
  const AlignAxis<S> y(roi[2], roi[4], scale, view.bins_high, view.sampling_ratio);
  const int64_t base = image * view.image_stride + item.channel * view.channel_stride;
  const S mean = S(1) / static_cast<S>(larger<int64_t>(x.samples * y.samples, 1));
  Taps<S> row, column;
  for (int64_t i = 0; i < y.samples; ++i) {
    if (!row.at(y.position(item.h, i), view.height)) {
      continue;
    }
    for (int64_t j = 0; j < x.samples; ++j) {
      if (!column.at(x.position(item.w, j), view.width)) {
        continue;
      }
      const int64_t low = base + row.low * view.row_stride, high = base + row.high * view.row_stride;
      use(low + column.low * view.column_stride, row.low_weight * column.low_weight * mean);
      use(low + column.high * view.column_stride, row.low_weight * column.high_weight * mean);
      use(high + column.low * view.column_stride, row.high_weight * column.low_weight * mean);
      use(high + column.high * view.column_stride, row.high_weight * column.high_weight * mean);
    }
  }
}

template <typename T, typename S>
__global__ void align_forward(LevelView view, const T* map, const S* rois, const int64_t* levels, S scale, T* out) {
  const int64_t count = view.rois * view.channels * view.bins_high * view.bins_wide;
  for (int64_t index = first_item(); index < count; index += item_step()) {
    const Item item(index, view);
    if (!is_of_level(view, levels, item.roi)) {
      continue;
    }
    S value = 0;
    for_each_tap(view, rois + 5 * item.roi, scale, item, [&](int64_t at, S weight) { value += weight * static_cast<S>(map[at]); });
    out[item.out(view)] = static_cast<T>(value);
  }
}

template <typename T, typename S>
__global__ void align_backward(LevelView view, const T* grad, const S* rois, const int64_t* levels, S scale, S* map) {
  const int64_t count = view.rois * view.channels * view.bins_high * view.bins_wide;
  for (int64_t index = first_item(); index < count; index += item_step()) {
    const Item item(index, view);
    if (!is_of_level(view, levels, item.roi)) {
      continue;
    }
    const S incoming = static_cast<S>(grad[item.out(view)]);
    for_each_tap(view, rois + 5 * item.roi, scale, item, [&](int64_t at, S weight) { atomicAdd(map + at, weight * incoming); });
  }
}

LevelView view_of(const at::Tensor& map, const at::Tensor& rois, bool own_level, int64_t level, int64_t num_levels, int64_t out_channels,
                  int64_t height, int64_t width, int64_t sampling_ratio) {
  return {map.size(0),   map.size(1),   map.size(2), map.size(3), map.stride(0), map.stride(1),
          map.stride(2), map.stride(3), level,       num_levels,  own_level ? 0 : level * map.size(1),
          out_channels,  rois.size(0),  height,      width,       sampling_ratio};
}

}  // namespace

at::Tensor roi_align(at::TensorList features, const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t height,
                     int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const c10::cuda::CUDAGuard guard(rois.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const auto type = features[0].scalar_type();
  const auto boxes = rois.to(sum_type(type)).contiguous();
  const auto level_of = levels ? levels->contiguous() : at::Tensor();
  const int64_t channels = features[0].size(1), num_levels = static_cast<int64_t>(features.size());
  const int64_t out_channels = levels ? channels : num_levels * channels;
  auto out = levels ? at::zeros({rois.size(0), out_channels, height, width}, features[0].options())
                    : at::empty({rois.size(0), out_channels, height, width}, features[0].options());
  const int64_t count = rois.size(0) * channels * height * width;
  if (count == 0) {
    return out;
  }
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, type, "roi_align", [&] {
    for (int64_t l = 0; l < num_levels; ++l) {
      const auto view = view_of(features[l], rois, levels.has_value(), l, num_levels, out_channels, height, width, sampling_ratio);
      align_forward<scalar_t, Sum<scalar_t>><<<blocks_for(count), kThreads, 0, stream>>>(
          view, features[l].const_data_ptr<scalar_t>(), boxes.template const_data_ptr<Sum<scalar_t>>(),
          levels ? level_of.template const_data_ptr<int64_t>() : nullptr, static_cast<Sum<scalar_t>>(scales[l]),
          out.mutable_data_ptr<scalar_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    }
  });
  return out;
}

std::vector<at::Tensor> roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, const std::optional<at::Tensor>& levels,
                                           at::IntArrayRef sizes, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  at::globalContext().alertNotDeterministic("roi_align_backward on CUDA");
  const c10::cuda::CUDAGuard guard(grad.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const auto type = grad.scalar_type();
  const auto boxes = rois.to(sum_type(type)).contiguous();
  const auto level_of = levels ? levels->contiguous() : at::Tensor();
  const auto incoming = grad.contiguous();
  const int64_t height = grad.size(2), width = grad.size(3), count = rois.size(0) * sizes[1] * height * width;
  std::vector<at::Tensor> maps;
  for (size_t l = 0; l < scales.size(); ++l) {
    auto map = at::zeros({sizes[0], sizes[1], sizes[2 + 2 * l], sizes[3 + 2 * l]}, grad.options().dtype(sum_type(type)));
    if (count > 0) {
      AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, type, "roi_align_backward", [&] {
        const auto view = view_of(map, rois, levels.has_value(), static_cast<int64_t>(l), static_cast<int64_t>(scales.size()),
                                  grad.size(1), height, width, sampling_ratio);
        align_backward<scalar_t, Sum<scalar_t>><<<blocks_for(count), kThreads, 0, stream>>>(
            view, incoming.template const_data_ptr<scalar_t>(), boxes.template const_data_ptr<Sum<scalar_t>>(),
            levels ? level_of.template const_data_ptr<int64_t>() : nullptr, static_cast<Sum<scalar_t>>(scales[l]),
            map.template mutable_data_ptr<Sum<scalar_t>>());
        C10_CUDA_KERNEL_LAUNCH_CHECK();
      });
    }
    maps.push_back(map.to(type));
  }
  return maps;
}

}  // namespace sgg::cuda
