"""Region proposals: anchors, head, selection, losses."""

from maskrcnn_benchmark.modeling.rpn.rpn import RPN

__all__ = ["RPN"]
