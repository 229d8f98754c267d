"""Compiled ops as functions, and the modules that belong to them."""

from maskrcnn_benchmark.layers.assignment import greedy_labels, relation_nms
from maskrcnn_benchmark.layers.batch_norm import FrozenBatchNorm2d
from maskrcnn_benchmark.layers.boxes import box_iou, pair_masks
from maskrcnn_benchmark.layers.nms import batched_nms, nms
from maskrcnn_benchmark.layers.roi_align import roi_align, roi_align_levels
from maskrcnn_benchmark.layers.roi_pool import roi_pool

__all__ = [
    "FrozenBatchNorm2d",
    "batched_nms",
    "box_iou",
    "greedy_labels",
    "nms",
    "pair_masks",
    "relation_nms",
    "roi_align",
    "roi_align_levels",
    "roi_pool",
]
