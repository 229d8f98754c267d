// Schemas, the CPU implementations, and the Python module whose import registers them.
#include <Python.h>
#include <torch/library.h>

#include "ops.h"

TORCH_LIBRARY(maskrcnn_benchmark, m) {
  m.def("roi_align(Tensor[] features, Tensor rois, Tensor? levels, int height, int width, float[] scales, int sampling_ratio) -> Tensor");
  m.def("roi_align_backward(Tensor grad, Tensor rois, Tensor? levels, SymInt[] sizes, float[] scales, int sampling_ratio) -> Tensor[]");
  m.def("roi_pool(Tensor features, Tensor rois, int height, int width, float scale) -> (Tensor, Tensor)");
  m.def("roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, SymInt[] sizes) -> Tensor");
  m.def("nms(Tensor boxes, Tensor scores, Tensor? groups, float threshold) -> Tensor");
  m.def("greedy_labels(Tensor probabilities, Tensor boxes_per_class, float threshold) -> Tensor");
  m.def(
      "relation_nms(Tensor probabilities, Tensor labels_subject, Tensor labels_object, Tensor boxes_subject, Tensor boxes_object, "
      "float threshold) -> Tensor");
  m.def("pair_masks(Tensor subject_boxes, Tensor object_boxes, Tensor image_sizes, int resolution) -> Tensor");
  m.def("box_iou(Tensor boxes_a, Tensor boxes_b) -> Tensor");
}

TORCH_LIBRARY_IMPL(maskrcnn_benchmark, CPU, m) {
  m.impl("roi_align", &sgg::cpu::roi_align);
  m.impl("roi_align_backward", &sgg::cpu::roi_align_backward);
  m.impl("roi_pool", &sgg::cpu::roi_pool);
  m.impl("roi_pool_backward", &sgg::cpu::roi_pool_backward);
  m.impl("nms", &sgg::cpu::nms);
  m.impl("greedy_labels", &sgg::cpu::greedy_labels);
  m.impl("relation_nms", &sgg::cpu::relation_nms);
  m.impl("pair_masks", &sgg::cpu::pair_masks);
  m.impl("box_iou", &sgg::cpu::box_iou);
}

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_C", "Compiled ops; importing it registers torch.ops.maskrcnn_benchmark.", -1, nullptr};

PyMODINIT_FUNC PyInit__C(void) {
  return PyModule_Create(&module_definition);
}
