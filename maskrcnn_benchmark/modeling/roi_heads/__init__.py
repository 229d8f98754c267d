"""Heads that work on regions: boxes, attributes, relations."""

from maskrcnn_benchmark.modeling.roi_heads import attribute_head, box_head  # noqa: F401
