"""Attributes of boxes."""

from maskrcnn_benchmark.modeling.roi_heads.attribute_head.attribute_head import ROIAttributeHead

__all__ = ["ROIAttributeHead"]
