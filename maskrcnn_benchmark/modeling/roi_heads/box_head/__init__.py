"""Boxes: features, classes, regression."""

from maskrcnn_benchmark.modeling.roi_heads.box_head.box_head import ROIBoxHead
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import BoxFeatureExtractor, build_box_feature_extractor

__all__ = ["BoxFeatureExtractor", "ROIBoxHead", "build_box_feature_extractor"]
