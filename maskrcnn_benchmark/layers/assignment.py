"""Greedy assignments under suppression: a label for every box, a predicate for every pair."""

import torch
from torch import Tensor

from maskrcnn_benchmark.layers._extension import BUILT, check_boxes, compiled
from maskrcnn_benchmark.layers.boxes import _box_iou_reference


def greedy_labels(probabilities: Tensor, boxes_per_class: Tensor, threshold: float) -> Tensor:
    """
    Gives every box a foreground class, so that boxes which overlap do not get the same one where that can be helped.

    Once per box: the largest remaining probability over all boxes and classes gives its box that class, and the same
    class becomes 0 for the boxes without a label whose box of that class overlaps it. Of equal probabilities the first
    box, then the first class, is taken.

    Args:
        probabilities: (n, O), background in column 0, which is never taken.
        boxes_per_class: (n, O, 4), xyxy, the box regressed for each class.
        threshold: boxes overlap where their IoU (+1 pixel convention) is at or above it.
    Returns:
        (n,) int64 labels, 1 … O - 1. No gradient.
    Raises:
        ValueError: wrong shapes.
    """
    if probabilities.dim() != 2 or probabilities.size(1) < 2 or not probabilities.is_floating_point():
        raise ValueError(
            "greedy_labels: probabilities must be floating-point (n, O) with O at least 2 (background first), "
            f"got {tuple(probabilities.shape)} {probabilities.dtype}"
        )
    if boxes_per_class.shape != (*probabilities.shape, 4) or not boxes_per_class.is_floating_point():
        raise ValueError(
            f"greedy_labels: boxes_per_class must be floating-point {(*probabilities.shape, 4)}, "
            f"got {tuple(boxes_per_class.shape)} {boxes_per_class.dtype}"
        )
    probabilities, boxes_per_class = probabilities.detach(), boxes_per_class.detach()
    if compiled("greedy_labels", probabilities=probabilities, boxes_per_class=boxes_per_class):
        return torch.ops.maskrcnn_benchmark.greedy_labels(probabilities, boxes_per_class, threshold)
    return _greedy_labels_reference(probabilities, boxes_per_class, threshold)


def _greedy_labels_reference(probabilities: Tensor, boxes_per_class: Tensor, threshold: float) -> Tensor:
    remaining = probabilities[:, 1:].clone()
    labels = torch.zeros(len(probabilities), dtype=torch.int64, device=probabilities.device)
    for _ in range(len(probabilities)):
        row, column = divmod(int(remaining.argmax()), remaining.size(1))
        labels[row] = column + 1
        boxes = boxes_per_class[:, column + 1]
        near = _box_iou_reference(boxes[row : row + 1], boxes)[0] >= threshold
        remaining[near & (labels == 0), column] = 0
        remaining[row] = -1
    return labels


def relation_nms(
    probabilities: Tensor,
    labels_subject: Tensor,
    labels_object: Tensor,
    boxes_subject: Tensor,
    boxes_object: Tensor,
    threshold: float = 0.6,
) -> Tensor:
    """
    Gives every pair a predicate, so that pairs of the same things do not get the same one where that can be helped
    (PE-Net's evaluation).

    Once per pair: the largest remaining probability over all pairs and predicates gives its pair that predicate, which
    becomes 0 for the pair's neighbours without one: those with both labels equal, and subject IoU and object IoU (+1
    pixel convention) at or above the threshold. Of equal probabilities the first pair, then the first predicate, is
    taken.

    Args:
        probabilities: (P, K - 1), without the background column.
        labels_subject, labels_object: (P,) int64.
        boxes_subject, boxes_object: (P, 4), xyxy, pixels.
        threshold: of the IoU.
    Returns:
        (P,) int64 columns of `probabilities`, on its device: 0 is the first predicate, add 1 for the predicate's id.
        The work is done on the CPU; memory grows with P and the number of overlaps, not with P².
    Raises:
        ValueError: wrong shapes or dtypes.
    """
    pairs = probabilities.size(0)
    if probabilities.dim() != 2 or probabilities.size(1) < 1 or not probabilities.is_floating_point():
        raise ValueError(
            f"relation_nms: probabilities must be floating-point (P, K - 1), got {tuple(probabilities.shape)}"
            f" {probabilities.dtype}"
        )
    for name, labels in (("labels_subject", labels_subject), ("labels_object", labels_object)):
        if labels.shape != (pairs,) or labels.dtype != torch.int64:
            raise ValueError(f"relation_nms: {name} must be ({pairs},) int64, got {tuple(labels.shape)} {labels.dtype}")
    check_boxes("relation_nms", "boxes_subject", boxes_subject, rows=pairs)
    check_boxes("relation_nms", "boxes_object", boxes_object, rows=pairs)
    device = probabilities.device
    inputs = [t.detach().cpu() for t in (probabilities, labels_subject, labels_object, boxes_subject, boxes_object)]
    form = (
        torch.ops.maskrcnn_benchmark.relation_nms
        if compiled("relation_nms", probabilities=inputs[0])
        else _relation_nms_reference
    )
    return form(*inputs, threshold).to(device)


def _relation_nms_reference(
    probabilities: Tensor,
    labels_subject: Tensor,
    labels_object: Tensor,
    boxes_subject: Tensor,
    boxes_object: Tensor,
    threshold: float,
) -> Tensor:
    remaining = probabilities.clone()
    result = torch.full((len(probabilities),), -1, dtype=torch.int64)
    for _ in range(len(probabilities)):
        pair, predicate = divmod(int(remaining.argmax()), remaining.size(1))
        result[pair] = predicate
        near = (labels_subject == labels_subject[pair]) & (labels_object == labels_object[pair]) & (result < 0)
        for boxes in (boxes_subject, boxes_object):
            near &= _box_iou_reference(boxes[pair : pair + 1], boxes)[0] >= threshold
        remaining[near, predicate] = 0
        remaining[pair] = -1
    return result


if BUILT:

    @torch.library.register_fake("maskrcnn_benchmark::greedy_labels")
    def _(probabilities, boxes_per_class, threshold):  # noqa: ARG001
        return probabilities.new_empty(probabilities.size(0), dtype=torch.int64)

    @torch.library.register_fake("maskrcnn_benchmark::relation_nms")
    def _(probabilities, labels_subject, labels_object, boxes_subject, boxes_object, threshold):  # noqa: ARG001
        return probabilities.new_empty(probabilities.size(0), dtype=torch.int64)
