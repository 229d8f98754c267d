"""From class logits and regressions to detections."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.layers import batched_nms
from maskrcnn_benchmark.modeling.box_coder import BoxCoder, clip_boxes
from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class BoxPostProcessor:
    """
    Decodes, suppresses class by class, and keeps the best of an image.

    Attributes:
        coder: turns offsets from proposals into boxes.
        score_threshold: probabilities must exceed it.
        nms_threshold: IoU above which the lower of two boxes of a class falls away.
        per_class: most detections of a class.
        per_image: most detections of an image (ties of the last one stay, too); 0: no limit.
        filter_duplicates: a proposal is kept once, with the best of the classes in which it survived.
    """

    coder: BoxCoder
    score_threshold: float
    nms_threshold: float
    per_class: int
    per_image: int
    filter_duplicates: bool

    @classmethod
    def from_config(cls, cfg, coder: BoxCoder) -> "BoxPostProcessor":
        """Reads MODEL.ROI_HEADS."""
        node = cfg.MODEL.ROI_HEADS
        return cls(
            coder=coder,
            score_threshold=node.SCORE_THRESH,
            nms_threshold=node.NMS,
            per_class=node.POST_NMS_PER_CLS_TOPN,
            per_image=node.DETECTIONS_PER_IMG,
            filter_duplicates=node.NMS_FILTER_DUPLICATES,
        )

    @torch.no_grad()
    def __call__(self, logits: Tensor, offsets: Tensor, proposals: Sequence[BoxList], *, details: bool = False) -> list[BoxList]:
        """
        Args:
            logits: (sum n_i, O), background first.
            offsets: (sum n_i, R, 4), R = O or 2.
            proposals: n_i boxes an image.
            details: adds what a relation head needs.
        Returns:
            Detections an image with `pred_labels` (n,) and `pred_scores` (n,); with details also `predict_logits` (n, O), `boxes_per_cls`
            (n, O, 4) and, if the proposals have them, `labels`. In the order of the proposals with filter_duplicates, else class by class.
        """
        counts = [len(boxes) for boxes in proposals]
        split = zip(proposals, logits.split(counts), offsets.split(counts), strict=True)
        return [self._image(boxes, image_logits, image_offsets, details) for boxes, image_logits, image_offsets in split]

    def _image(self, proposals: BoxList, logits: Tensor, offsets: Tensor, details: bool) -> BoxList:
        scores = logits.softmax(dim=1)
        boxes = clip_boxes(self.coder.decode(offsets, proposals.bbox), proposals.size)
        if boxes.size(1) != logits.size(1):  # one regression for all classes
            boxes = boxes[:, -1:].expand(-1, logits.size(1), -1)
        row, label = self._survivors(scores, boxes)
        row, label = self._best(scores, row, label)
        detections = BoxList(boxes[row, label], proposals.size)
        detections.add_field("pred_labels", label)
        detections.add_field("pred_scores", scores[row, label])
        if details:
            detections.add_field("predict_logits", logits[row])
            detections.add_field("boxes_per_cls", boxes[row])
            if proposals.has_field("labels"):
                detections.add_field("labels", proposals.get_field("labels")[row])
        return detections

    def _survivors(self, scores: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Proposals' rows and classes (k,), (k,) that are likely enough and that suppression within their class leaves, class by class."""
        likely = scores > self.score_threshold
        likely[:, 0] = False
        label, row = likely.t().nonzero().unbind(1)  # class by class, rows ascending
        kept = batched_nms(boxes[row, label], scores[row, label], label, self.nms_threshold)  # best first
        by_class = kept[label[kept].argsort(stable=True)]  # best first within a class
        kept_label = label[by_class]
        count = torch.bincount(kept_label, minlength=scores.size(1))
        rank = torch.arange(len(kept), device=kept.device) - (count.cumsum(0) - count)[kept_label]
        chosen = by_class[rank < self.per_class].sort().values
        return row[chosen], label[chosen]

    def _best(self, scores: Tensor, row: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """The detections of the image among the survivors."""
        if self.filter_duplicates:
            surviving = torch.zeros_like(scores)
            surviving[row, label] = scores[row, label]
            best, best_label = surviving.max(dim=1)
            row = best.nonzero().squeeze(1)
            label = best_label[row]
        if 0 < self.per_image < len(row):
            score = scores[row, label]
            stays = score >= score.topk(self.per_image).values[-1]
            row, label = row[stays], label[stays]
        return row, label
