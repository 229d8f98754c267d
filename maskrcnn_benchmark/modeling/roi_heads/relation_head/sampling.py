"""
Which pairs of an image's entities are looked at.

Pairs are ordered: (subject, object), rows of the image's own list of entities. In training a share of them is annotated
and the rest is background, drawn at random; at test all pairs are taken. The arithmetic is that of one image at a time
(n entities, r annotated relations, p pairs) on the CPU, where a draw is the same on every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.modeling.balanced_sampler import image_generator
from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class SampledPairs:
    """
    The pairs of one image.

    pairs: (p, 2) int64 rows of subject and object. labels: (p,) int64 predicates, 0 background; None at test.
    related: (n, n) bool, symmetric: whether two entities take part in an annotated relation; None at test.
    """

    pairs: Tensor
    labels: Tensor | None = None
    related: Tensor | None = None


def all_pairs(n: int) -> Tensor:
    """All ordered pairs i ≠ j of n entities, row by row: (n·(n − 1), 2)."""
    return (~torch.eye(n, dtype=torch.bool)).nonzero()


def overlapping_pairs(boxes: Tensor) -> Tensor:
    """Those of all ordered pairs whose boxes (n, 4) have an IoU above 0: (p, 2)."""
    pairs = all_pairs(len(boxes))
    iou = box_iou(boxes, boxes)
    return pairs[iou[pairs[:, 0], pairs[:, 1]] > 0]


def sample_given_boxes(
    n: int, relations: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator | None = None
) -> SampledPairs:
    """
    Pairs for training on annotated boxes: every annotated pair up to `batch_size * positive_fraction`, then others up
    to `batch_size`.

    Args:
        n: annotated boxes.
        relations: (r, 3) subject, object, predicate. A relation of a box with itself counts as any other.
        batch_size, positive_fraction: BATCH_SIZE_PER_IMAGE and POSITIVE_FRACTION.
        generator: of the draws; torch's own if None.
    """
    relations = relations.long().reshape(-1, 3)
    annotated = torch.zeros(n, n, dtype=torch.bool)
    annotated[relations[:, 0], relations[:, 1]] = True
    positive = _at_most(relations, int(batch_size * positive_fraction), generator)
    background = (~annotated & ~torch.eye(n, dtype=torch.bool)).nonzero()
    return _assemble(positive, background, batch_size, annotated, generator)


def sample_detections(
    boxes: Tensor,
    labels: Tensor,
    target_boxes: Tensor,
    target_labels: Tensor,
    relations: Tensor,
    *,
    batch_size: int,
    positive_fraction: float,
    iou_threshold: float,
    per_relation: int,
    require_overlap: bool,
    generator: torch.Generator | None = None,
) -> SampledPairs:
    """
    Pairs of detections for training.

    A detection matches an annotated box of the same label at IoU > `iou_threshold`. An annotated relation gives every
    combination of its subject's and object's matches, of which at most `per_relation` are drawn, with probability
    proportional to the product of the two IoUs. Background pairs join detections with a label that stand in no matched
    combination, drawn or not. A pair may come twice, with different predicates.

    Args:
        boxes, labels: (n, 4), (n,) detections after regression, with the label that their proposal was matched to (0
            none).
        target_boxes, target_labels: (m, 4), (m,) annotated boxes.
        relations: (r, 3) subject, object (rows of target_boxes), predicate.
        batch_size, positive_fraction: pairs per image, and the share of annotated ones at most.
        require_overlap: background pairs only with 0 < IoU < 1.
        generator: of the draws; torch's own if None.
    """
    n, relations = len(boxes), relations.long().reshape(-1, 3)
    iou = box_iou(boxes, target_boxes)  # (n, m)
    match = (labels[:, None] == target_labels[None]) & (iou > iou_threshold)
    subject, obj = match[:, relations[:, 0]].t(), match[:, relations[:, 1]].t()  # (r, n)
    candidates = subject[:, :, None] & obj[:, None, :] & ~torch.eye(n, dtype=torch.bool)  # (r, n, n)
    which, i, j = candidates.nonzero().unbind(1)
    weight = iou[i, relations[which, 0]] * iou[j, relations[which, 1]]
    kept = _draw_in_groups(which, weight, per_relation, generator)
    combinations = torch.stack([i, j, relations[which, 2]], dim=1)[kept]
    positive = _at_most(combinations, int(batch_size * positive_fraction), generator)

    matched = candidates.any(dim=0)
    foreground = labels > 0
    background = foreground[:, None] & foreground[None] & ~matched & ~torch.eye(n, dtype=torch.bool)
    if require_overlap:
        between = box_iou(boxes, boxes)
        background &= (between > 0) & (between < 1)
    return _assemble(positive, background.nonzero(), batch_size, matched, generator)


def sample_training_pairs(
    proposals: BoxList,
    target: BoxList,
    task: Task,
    *,
    seed: int,
    batch_size: int,
    positive_fraction: float,
    iou_threshold: float,
    per_relation: int,
    require_overlap: bool,
) -> SampledPairs:
    """
    The training pairs of one image, drawn by (seed, epoch, image) if the target tells its `image_id`, else by torch's
    generator.

    Args:
        proposals: the entities; in SGDet with field `labels`.
        target: annotated boxes with fields `labels` and `relation_tuple`, optionally `image_id` and `epoch`.
        The others are those of `sample_given_boxes` and `sample_detections`.
    """
    generator = image_generator(target, seed)
    relations = target.get_field("relation_tuple").cpu()
    if task.uses_gt_boxes:
        return sample_given_boxes(len(proposals), relations, batch_size, positive_fraction, generator)
    return sample_detections(
        proposals.bbox.detach().float().cpu(),
        proposals.get_field("labels").cpu().long(),
        target.bbox.detach().float().cpu(),
        target.get_field("labels").cpu().long(),
        relations,
        batch_size=batch_size,
        positive_fraction=positive_fraction,
        iou_threshold=iou_threshold,
        per_relation=per_relation,
        require_overlap=require_overlap,
        generator=generator,
    )


def _at_most(rows: Tensor, limit: int, generator: torch.Generator | None) -> Tensor:
    """A random choice of `limit` rows; all of them, in their order, where there are no more."""
    if len(rows) <= limit:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:limit]]


def _draw_in_groups(group: Tensor, weight: Tensor, limit: int, generator: torch.Generator | None) -> Tensor:
    """
    Draws up to `limit` members of each group without replacement, with probability proportional to weight; indices in
    ascending order.

    Exponential races: the members with the smallest E / weight, E standard exponential, are such a draw.
    """
    race = torch.empty(len(weight), dtype=torch.float64).exponential_(generator=generator) / weight.double().clamp(
        min=1e-12
    )
    order = race.argsort()
    order = order[group[order].argsort(stable=True)]  # by group, then by finish
    ranked = group[order]
    place = torch.arange(len(order)) - torch.searchsorted(ranked, ranked)
    return order[place < limit].sort().values


def _assemble(
    positive: Tensor, background: Tensor, batch_size: int, annotated: Tensor, generator: torch.Generator | None
) -> SampledPairs:
    background = _at_most(background, max(batch_size - len(positive), 0), generator)
    labels = torch.cat([positive[:, 2], torch.zeros(len(background), dtype=torch.long)])
    return SampledPairs(
        pairs=torch.cat([positive[:, :2], background]), labels=labels, related=annotated | annotated.t()
    )
