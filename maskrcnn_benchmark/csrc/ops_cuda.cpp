// The CUDA implementations; compiled only where the extension is built with CUDA.
#include <torch/library.h>

#include "ops.h"

TORCH_LIBRARY_FRAGMENT(maskrcnn_benchmark, m) {
  m.def("cuda_architectures() -> int[]", &sgg::cuda::architectures);
}

TORCH_LIBRARY_IMPL(maskrcnn_benchmark, CUDA, m) {
  m.impl("roi_align", &sgg::cuda::roi_align);
  m.impl("roi_align_backward", &sgg::cuda::roi_align_backward);
  m.impl("roi_pool", &sgg::cuda::roi_pool);
  m.impl("roi_pool_backward", &sgg::cuda::roi_pool_backward);
  m.impl("nms", &sgg::cuda::nms);
  m.impl("greedy_labels", &sgg::cuda::greedy_labels);
  m.impl("pair_masks", &sgg::cuda::pair_masks);
  m.impl("box_iou", &sgg::cuda::box_iou);
}
