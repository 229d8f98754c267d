"""
Which pairs of an image's entities are classified.

Pairs are ordered: (subject, object), rows of the image's own list of entities. In training a share of them is ground
truth and the rest is background, drawn at random; at test all pairs are taken. Images are sampled one by one (n
entities, r ground-truth relations, p pairs) on the CPU, where a draw is the same on every machine.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.modeling.balanced_sampler import image_generator
from maskrcnn_benchmark.modeling.grouping import rank_within
from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class SampledPairs:
    """
    The pairs of one image.

    pairs: (p, 2) int64 rows of subject and object. labels: (p,) int64 predicates, 0 background; None at test.
    related: (n, n) bool, symmetric: whether two entities take part in a ground-truth relation; None at test.
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


@dataclass(frozen=True, kw_only=True)
class PairSampler:
    """
    Draws the training pairs of one image: pairs of the ground truth, and background.

    Attributes:
        task: whether entities are the ground-truth boxes.
        seed: of the run.
        batch_size, positive_fraction: pairs per image, and the share of the ground truth at most.
        iou_threshold: a detection matches a ground-truth box of its label above this IoU.
        per_relation: most pairs of detections for one ground-truth relation.
        require_overlap: background pairs of detections only with 0 < IoU < 1.
    """

    task: Task
    seed: int = 0
    batch_size: int
    positive_fraction: float
    iou_threshold: float
    per_relation: int
    require_overlap: bool

    @classmethod
    def from_config(cls, cfg: Config) -> "PairSampler":
        """Reads SEED, MODEL.ROI_RELATION_HEAD and MODEL.ROI_HEADS.FG_IOU_THRESHOLD."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        return cls(
            task=Task.from_cfg(cfg),
            seed=cfg.SEED,
            batch_size=head.BATCH_SIZE_PER_IMAGE,
            positive_fraction=head.POSITIVE_FRACTION,
            iou_threshold=cfg.MODEL.ROI_HEADS.FG_IOU_THRESHOLD,
            per_relation=head.NUM_SAMPLE_PER_GT_REL,
            require_overlap=head.REQUIRE_BOX_OVERLAP,
        )

    def __call__(self, entities: BoxList, target: BoxList) -> SampledPairs:
        """
        Args:
            entities: on the CPU; in SGDet with field `labels`, of the ground-truth box that their proposal matched, 0
                for none.
            target: on the CPU, with fields `labels` and `relation_tuple` (r, 3) subject, object, predicate; with
                `image_id`, and perhaps `epoch`, the draw depends on (seed, epoch, image) alone.
        """
        generator, relations = image_generator(target, self.seed), target.get_field("relation_tuple").long()
        relations = relations.reshape(-1, 3)
        if self.task.uses_gt_boxes:
            return self.of_ground_truth(len(entities), relations, generator)
        return self.of_detections(entities, target, relations, generator)

    def of_ground_truth(self, n: int, relations: Tensor, generator: torch.Generator | None = None) -> SampledPairs:
        """Of n ground-truth boxes every related pair, self-relations too, up to its share; then others."""
        related = torch.zeros(n, n, dtype=torch.bool)
        related[relations[:, 0], relations[:, 1]] = True
        background = ~related & ~torch.eye(n, dtype=torch.bool)
        return self._assemble(relations, background, related, generator)

    def of_detections(
        self, entities: BoxList, target: BoxList, relations: Tensor, generator: torch.Generator | None = None
    ) -> SampledPairs:
        """
        A ground-truth relation gives every combination of its subject's and object's matches, of which at most
        `per_relation` are drawn, with probability proportional to the product of the two IoUs. Background pairs join
        detections with a label that stand in no matched combination, drawn or not. A pair may come twice, with
        different predicates.
        """
        boxes, labels = entities.bbox.detach().float(), entities.get_field("labels").long()
        iou = box_iou(boxes, target.bbox.detach().float())  # (n, m)
        match = (labels[:, None] == target.get_field("labels").long()[None]) & (iou > self.iou_threshold)
        subject, obj = match[:, relations[:, 0]].t(), match[:, relations[:, 1]].t()  # (r, n)
        apart = ~torch.eye(len(boxes), dtype=torch.bool)
        candidates = subject[:, :, None] & obj[:, None, :] & apart  # (r, n, n)
        which, i, j = candidates.nonzero().unbind(1)
        weight = iou[i, relations[which, 0]] * iou[j, relations[which, 1]]
        kept = _draw_in_groups(which, weight, self.per_relation, generator)
        combinations = torch.stack([i, j, relations[which, 2]], dim=1)[kept]

        matched, foreground = candidates.any(dim=0), labels > 0
        background = foreground[:, None] & foreground[None] & ~matched & apart
        if self.require_overlap:
            between = box_iou(boxes, boxes)
            background &= (between > 0) & (between < 1)
        return self._assemble(combinations, background, matched, generator)

    def _assemble(
        self, relations: Tensor, background: Tensor, related: Tensor, generator: torch.Generator | None
    ) -> SampledPairs:
        """relations (k, 3) to draw from; (n, n) bool: what may be background, and what is related."""
        positive = _at_most(relations, int(self.batch_size * self.positive_fraction), generator)
        negative = _at_most(background.nonzero(), max(self.batch_size - len(positive), 0), generator)
        labels = torch.cat([positive[:, 2], torch.zeros(len(negative), dtype=torch.long)])
        return SampledPairs(pairs=torch.cat([positive[:, :2], negative]), labels=labels, related=related | related.t())


def _at_most(rows: Tensor, limit: int, generator: torch.Generator | None) -> Tensor:
    """A random choice of `limit` rows; all of them, in their order, where there are no more."""
    if len(rows) <= limit:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:limit]]


def _draw_in_groups(group: Tensor, weight: Tensor, limit: int, generator: torch.Generator | None) -> Tensor:
    """
    Up to `limit` members of each group, drawn without replacement with probability proportional to weight; indices in
    ascending order. As exponential races: the members with the smallest E / weight, E standard exponential, win.
    """
    race = torch.empty(len(weight), dtype=torch.float64).exponential_(generator=generator)
    race /= weight.double().clamp(min=1e-12)
    order = race.argsort()
    return order[rank_within(group[order]) < limit].sort().values
