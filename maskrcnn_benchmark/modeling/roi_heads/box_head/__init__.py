"""Boxes: features, classes, regression."""

from maskrcnn_benchmark.modeling.roi_heads.box_head.box_head import ROIBoxHead
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import BoxFeatureExtractor, build_box_feature_extractor
from maskrcnn_benchmark.modeling.roi_heads.box_head.predictor import BoxPredictor

__all__ = ["BoxFeatureExtractor", "BoxPredictor", "ROIBoxHead", "build_box_feature_extractor"]
