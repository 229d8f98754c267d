"""Non-maximum suppression with the +1 pixel convention."""

import torch
import torchvision
from torch import Tensor

from maskrcnn_benchmark.layers._extension import BUILT, check_boxes, compiled


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """
    Keeps a box unless a kept one with a higher score overlaps it by more than the threshold.

    Args:
        boxes: (n, 4), xyxy, pixels; IoU with the +1 pixel convention.
        scores: (n,); of equal scores the earlier box comes first.
        threshold: a box is suppressed where the IoU is above it, not at it.
    Returns:
        (kept,) int64 indices by descending score. No gradient.
    Raises:
        ValueError: wrong shapes.
    """
    return _run("nms", boxes, scores, None, threshold)


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """
    `nms` within each group, in one call: boxes of different groups (classes, levels, images) never suppress each other.

    Args:
        boxes: (n, 4), xyxy, pixels.
        scores: (n,).
        groups: (n,) int64, any values.
        threshold: as in `nms`.
    Returns:
        (kept,) int64 indices by descending score, over all groups. No gradient.
    Raises:
        ValueError: wrong shapes or dtypes.
    """
    return _run("batched_nms", boxes, scores, groups, threshold)


def _run(op: str, boxes: Tensor, scores: Tensor, groups: Tensor | None, threshold: float) -> Tensor:
    check_boxes(op, "boxes", boxes)
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f"{op}: scores must be ({boxes.size(0)},), got {tuple(scores.shape)}")
    if groups is not None and (groups.shape != scores.shape or groups.dtype != torch.int64):
        raise ValueError(f"{op}: groups must be ({boxes.size(0)},) int64, got {tuple(groups.shape)} {groups.dtype}")
    boxes, scores = boxes.detach(), scores.detach()
    if compiled("nms", boxes=boxes, scores=scores, groups=groups):
        return torch.ops.maskrcnn_benchmark.nms(boxes, scores, groups, threshold)
    if groups is None:
        return _nms_reference(boxes, scores, threshold)
    return _batched_nms_reference(boxes, scores, groups, threshold)


def _nms_reference(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    if not boxes.size(0):
        return scores.new_empty(0, dtype=torch.int64)
    order = scores.argsort(descending=True, stable=True)
    # A box that is one larger to the right and below has the same overlaps without the +1.
    grown = (boxes.double() + boxes.new_tensor([0, 0, 1, 1]))[order]
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=torch.float64)
    return order[torchvision.ops.nms(grown, ranks, threshold)]


def _batched_nms_reference(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    kept = torch.zeros_like(groups, dtype=torch.bool)
    for group in groups.unique():
        members = (groups == group).nonzero().squeeze(1)
        kept[members[_nms_reference(boxes[members], scores[members], threshold)]] = True
    order = scores.argsort(descending=True, stable=True)
    return order[kept[order]]


if BUILT:

    @torch.library.register_fake("maskrcnn_benchmark::nms")
    def _(boxes, scores, groups, threshold):  # noqa: ARG001
        return scores.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)
