// The ops of both devices. Shapes: k rois, n boxes, P pairs, O object classes, K predicates (here without background).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <tuple>
#include <vector>

namespace sgg {

// Rois are pooled from their own level if `levels` (k,) is given -> (k, C, h, w); else from every level -> (k, L * C, h, w).
// Level l has features (B, C, H_l, W_l). Sizes: B, C, then H and W of each level.
#define SGG_OPS                                                                                                                     \
  at::Tensor roi_align(at::TensorList features, const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t height,    \
                       int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio);                                         \
  std::vector<at::Tensor> roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, const std::optional<at::Tensor>& levels, \
                                             at::IntArrayRef sizes, at::ArrayRef<double> scales, int64_t sampling_ratio);           \
  std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,    \
                                              double scale);                                                                        \
  at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois, const at::Tensor& argmax, at::IntArrayRef sizes);    \
  at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, const std::optional<at::Tensor>& groups, double threshold);     \
  at::Tensor greedy_labels(const at::Tensor& probabilities, const at::Tensor& boxes, double threshold);                             \
  at::Tensor pair_masks(const at::Tensor& subjects, const at::Tensor& objects, const at::Tensor& image_sizes, int64_t resolution);  \
  at::Tensor box_iou(const at::Tensor& boxes_a, const at::Tensor& boxes_b);

namespace cpu {
SGG_OPS
// The evaluator runs on the CPU; there is no CUDA form.
at::Tensor relation_nms(const at::Tensor& probabilities, const at::Tensor& labels_subject, const at::Tensor& labels_object,
                        const at::Tensor& boxes_subject, const at::Tensor& boxes_object, double threshold);
}  // namespace cpu

namespace cuda {
SGG_OPS
// Compute capabilities that the kernels were compiled for, as 10 * major + minor; the largest may serve later ones, too.
std::vector<int64_t> architectures();
}  // namespace cuda

#undef SGG_OPS

}  // namespace sgg
