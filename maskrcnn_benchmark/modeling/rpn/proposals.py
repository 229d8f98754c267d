"""From the head's outputs to a few hundred proposals an image."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.layers import nms
from maskrcnn_benchmark.modeling.box_coder import BoxCoder, clip_boxes
from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class ProposalSelector:
    """
    Chooses proposals: the best of each level, decoded, clipped, without near duplicates; then the best of all levels.

    Attributes:
        coder: turns offsets from anchors into boxes.
        pre_nms: best anchors of a level that are looked at.
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
        self, anchors: Sequence[Tensor], logits: Sequence[Tensor], offsets: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> list[BoxList]:
        """
        Args:
            anchors: (n_l, 4) a level.
            logits: (B, n_l) a level.
            offsets: (B, n_l, 4) a level.
            image_sizes: (width, height) of each image without padding.
        Returns:
            B lists of boxes with field `objectness` (n,), the probability; best first where there is more than one level.
        """
        levels = [self._level(*level, image_sizes) for level in zip(anchors, logits, offsets, strict=True)]
        boxes = [torch.cat([level[i][0] for level in levels]) for i in range(len(image_sizes))]
        scores = [torch.cat([level[i][1] for level in levels]) for i in range(len(image_sizes))]
        if len(levels) > 1:
            boxes, scores = self._best_of_levels(boxes, scores)
        proposals = []
        for image_boxes, image_scores, size in zip(boxes, scores, image_sizes, strict=True):
            proposals.append(BoxList(image_boxes, size))
            proposals[-1].add_field("objectness", image_scores)
        return proposals

    def _level(
        self, anchors: Tensor, logits: Tensor, offsets: Tensor, image_sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Boxes and scores of one level, an image each, best first."""
        scores, index = logits.sigmoid().topk(min(self.pre_nms, logits.size(1)), dim=1)
        chosen = []
        for image, size in enumerate(image_sizes):
            rows = index[image]
            boxes = clip_boxes(self.coder.decode(offsets[image, rows, None], anchors[rows])[:, 0], size)
            large = (boxes[:, 2:] - boxes[:, :2] + 1 >= self.min_size).all(dim=1)
            boxes, image_scores = boxes[large], scores[image][large]
            kept = nms(boxes, image_scores, self.nms_threshold) if self.nms_threshold > 0 else torch.arange(len(boxes), device=boxes.device)
            kept = kept[: self.post_nms]
            chosen.append((boxes[kept], image_scores[kept]))
        return chosen

    def _best_of_levels(self, boxes: list[Tensor], scores: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        if self.per_batch:
            counts = [len(s) for s in scores]
            together = torch.cat(scores)
            stays = torch.zeros_like(together, dtype=torch.bool)
            stays[together.topk(min(self.total, len(together))).indices] = True
            kept = [s.nonzero().squeeze(1) for s in stays.split(counts)]
        else:
            kept = [s.topk(min(self.total, len(s))).indices for s in scores]
        return [b[k] for b, k in zip(boxes, kept, strict=True)], [s[k] for s, k in zip(scores, kept, strict=True)]


def add_annotated_boxes(proposals: Sequence[BoxList], targets: Sequence[BoxList]) -> list[BoxList]:
    """Proposals with the annotated boxes of their image behind them, objectness 1."""
    joined = []
    for boxes, target in zip(proposals, targets, strict=True):
        both = BoxList(torch.cat([boxes.bbox, target.convert("xyxy").bbox]), boxes.size)
        objectness = boxes.get_field("objectness")
        both.add_field("objectness", torch.cat([objectness, objectness.new_ones(len(target))]))
        joined.append(both)
    return joined
