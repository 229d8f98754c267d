// IoU of all pairs of boxes, and the masks of pairs, on the GPU: a thread a value.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>

#include "cuda_common.cuh"
#include "geometry.h"
#include "ops.h"

namespace sgg::cuda {
namespace {

template <typename T>
__global__ void iou_table(const T* a, const T* b, int64_t columns, int64_t count, T* out) {
  for (int64_t index = first_item(); index < count; index += item_step()) {
    out[index] = overlap(a + 4 * (index / columns), b + 4 * (index % columns));
  }
}

template <typename T>
__global__ void draw_masks(const T* subjects, const T* objects, const double* sizes, int64_t resolution, int64_t count, T* out) {
  for (int64_t index = first_item(); index < count; index += item_step()) {
    const int64_t x = index % resolution, y = index / resolution % resolution;
    const int64_t mask = index / (resolution * resolution), pair = mask / 2;
    const T* box = (mask % 2 == 0 ? subjects : objects) + 4 * pair;
    const T ratio_x = static_cast<T>(static_cast<double>(resolution) / sizes[2 * pair]);
    const T ratio_y = static_cast<T>(static_cast<double>(resolution) / sizes[2 * pair + 1]);
    out[index] = mask_covers(box[0], box[2], ratio_x, x) && mask_covers(box[1], box[3], ratio_y, y) ? T(1) : T(0);
  }
}

at::ScalarType compute_type(const at::Tensor& boxes) {
  return sum_type(boxes.scalar_type());
}

}  // namespace

at::Tensor box_iou(const at::Tensor& boxes_a, const at::Tensor& boxes_b) {
  const c10::cuda::CUDAGuard guard(boxes_a.device());
  const auto type = compute_type(boxes_a);
  const auto a = boxes_a.to(type).contiguous(), b = boxes_b.to(type).contiguous();
  auto out = at::empty({a.size(0), b.size(0)}, a.options());
  if (out.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(type, "box_iou", [&] {
      iou_table<scalar_t><<<blocks_for(out.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          a.template const_data_ptr<scalar_t>(), b.template const_data_ptr<scalar_t>(), b.size(0), out.numel(),
          out.mutable_data_ptr<scalar_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  }
  return out.to(boxes_a.scalar_type());
}

at::Tensor pair_masks(const at::Tensor& subjects, const at::Tensor& objects, const at::Tensor& image_sizes, int64_t resolution) {
  const c10::cuda::CUDAGuard guard(subjects.device());
  const auto type = compute_type(subjects);
  const auto subject = subjects.to(type).contiguous(), object = objects.to(type).contiguous();
  const auto sizes = image_sizes.to(at::kDouble).contiguous();
  auto out = at::empty({subjects.size(0), 2, resolution, resolution}, subject.options());
  if (out.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(type, "pair_masks", [&] {
      draw_masks<scalar_t><<<blocks_for(out.numel()), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(
          subject.template const_data_ptr<scalar_t>(), object.template const_data_ptr<scalar_t>(), sizes.const_data_ptr<double>(),
          resolution, out.numel(), out.mutable_data_ptr<scalar_t>());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
    });
  }
  return out.to(subjects.scalar_type());
}

}  // namespace sgg::cuda
