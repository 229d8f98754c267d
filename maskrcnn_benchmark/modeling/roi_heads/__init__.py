"""Heads that work on regions: boxes, attributes, relations."""

from maskrcnn_benchmark.modeling.roi_heads import attribute_head, box_head, relation_head
from maskrcnn_benchmark.modeling.roi_heads.roi_heads import ROIHeads, given_boxes

__all__ = ["ROIHeads", "attribute_head", "box_head", "given_boxes", "relation_head"]
