"""Boxes: features, classes, regression."""

from maskrcnn_benchmark.modeling.roi_heads.box_head import extractor  # noqa: F401
