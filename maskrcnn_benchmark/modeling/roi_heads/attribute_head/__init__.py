"""Attributes of boxes."""

from maskrcnn_benchmark.modeling.roi_heads.attribute_head.attribute_head import ROIAttributeHead
from maskrcnn_benchmark.modeling.roi_heads.attribute_head.predictor import AttributePredictor

__all__ = ["AttributePredictor", "ROIAttributeHead"]
