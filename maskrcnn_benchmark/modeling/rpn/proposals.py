"""From the head's outputs to a few hundred proposals per image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.layers import batched_nms
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.grouping import group_of_rows, rank_within, rows_of_groups
from maskrcnn_benchmark.structures.bounding_box import BoxList, clip_boxes


@dataclass(frozen=True, kw_only=True)
class ProposalSelector:
    """
    Chooses proposals: the best of each level, decoded, clipped, without near duplicates; then the best of all levels.

    Attributes:
        coder: turns offsets from anchors into boxes.
        pre_nms: best anchors of a level that are considered.
        post_nms: proposals of a level that stay after suppression.
        total: proposals of an image that stay of all levels together; acts only with more than one level.
        per_batch: `total` counts for the batch as a whole.
        nms_threshold: IoU above which the lower of two boxes of a level falls away.
        min_size: shortest side in pixels (+1 convention).
    """

    coder: BoxCoder
    pre_nms: int
    post_nms: int
    total: int
    nms_threshold: float
    min_size: float
    per_batch: bool = False

    @classmethod
    def from_config(cls, cfg, coder: BoxCoder, *, training: bool) -> "ProposalSelector":
        """Reads MODEL.RPN; the counts end in _TRAIN or _TEST."""
        node, phase = cfg.MODEL.RPN, "TRAIN" if training else "TEST"
        return cls(
            coder=coder,
            pre_nms=node[f"PRE_NMS_TOP_N_{phase}"],
            post_nms=node[f"POST_NMS_TOP_N_{phase}"],
            total=node[f"FPN_POST_NMS_TOP_N_{phase}"],
            nms_threshold=node.NMS_THRESH,
            min_size=node.MIN_SIZE,
            per_batch=training and node.FPN_POST_NMS_PER_BATCH,
        )

    @torch.no_grad()
    def __call__(
        self,
        anchors: Sequence[Tensor],
        logits: Sequence[Tensor],
        offsets: Sequence[Tensor],
        image_sizes: Sequence[tuple[int, int]],
    ) -> list[BoxList]:
        """
        Args:
            anchors: (n_l, 4) per level.
            logits: (B, n_l) per level.
            offsets: (B, n_l, 4) per level.
            image_sizes: (width, height) of each image without padding.
        Returns:
            B lists of boxes with field `objectness` (n,), the probability; best first.
        """
        best = [self._best_of_level(*level) for level in zip(anchors, logits, offsets, strict=True)]
        boxes, scores = (torch.cat(parts, dim=1) for parts in zip(*best, strict=True))  # (B, n, 4), (B, n)
        boxes = torch.stack(
            [clip_boxes(image_boxes, size) for image_boxes, size in zip(boxes, image_sizes, strict=True)]
        )
        images, levels = len(image_sizes), len(best)
        large = (boxes[..., 2:] - boxes[..., :2] + 1 >= self.min_size).all(dim=2)
        level = group_of_rows([level_scores.size(1) for _, level_scores in best], boxes.device)
        image = torch.arange(images, device=boxes.device)[:, None]
        group = torch.where(large, image * levels + level, images * levels)  # small boxes are a group of their own
        boxes, scores = boxes.flatten(0, 1), scores.flatten()
        chosen = self._choose(boxes, scores, group.flatten(), images, levels)
        proposals = []
        for rows, size in zip(chosen, image_sizes, strict=True):
            proposals.append(BoxList(boxes[rows], size))
            proposals[-1].add_field("objectness", scores[rows])
        return proposals

    def _best_of_level(self, anchors: Tensor, logits: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """The level's best of each image, (B, k, 4) and (B, k)."""
        scores, index = logits.sigmoid().topk(min(self.pre_nms, logits.size(1)), dim=1)
        offsets = offsets.gather(1, index[:, :, None].expand(-1, -1, 4))
        return self.coder.decode(offsets.reshape(-1, 1, 4), anchors[index.flatten()]).view_as(offsets), scores

    def _choose(self, boxes: Tensor, scores: Tensor, group: Tensor, images: int, levels: int) -> list[Tensor]:
        """Rows per image, best first. group: image · levels + level, or images · levels where a box does not count."""
        if self.nms_threshold > 0:
            kept = batched_nms(boxes, scores, group, self.nms_threshold)
        else:
            kept = scores.argsort(descending=True, stable=True)
        group = group[kept]
        stays = (group < images * levels) & (rank_within(group) < self.post_nms)
        image = torch.where(stays, group // levels, images)
        if levels > 1:
            stays &= (stays.cumsum(0) <= self.total) if self.per_batch else (rank_within(image) < self.total)
            image = torch.where(stays, image, images)
        return [kept[rows] for rows in rows_of_groups(image, images)]


def add_ground_truth_boxes(proposals: Sequence[BoxList], targets: Sequence[BoxList]) -> list[BoxList]:
    """Proposals with the ground-truth boxes of their image behind them, objectness 1."""
    joined = []
    for boxes, target in zip(proposals, targets, strict=True):
        both = BoxList(torch.cat([boxes.bbox, target.convert("xyxy").bbox]), boxes.size)
        objectness = boxes.get_field("objectness")
        both.add_field("objectness", torch.cat([objectness, objectness.new_ones(len(target))]))
        joined.append(both)
    return joined
