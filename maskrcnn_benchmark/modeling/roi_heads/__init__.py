"""Heads that work on regions: boxes, attributes, relations."""

from maskrcnn_benchmark.modeling.roi_heads.roi_heads import ROIHeads

__all__ = ["ROIHeads"]
