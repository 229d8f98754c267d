"""Boxes: features, classes, regression."""

from maskrcnn_benchmark.modeling.roi_heads.box_head.box_head import ROIBoxHead
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import build_box_feature_extractor

__all__ = ["ROIBoxHead", "build_box_feature_extractor"]
