"""From class logits and regressions to detections."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.layers import batched_nms
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.grouping import group_of_rows, rank_within, rows_of_groups
from maskrcnn_benchmark.structures.bounding_box import BoxList, clip_boxes


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
    def __call__(
        self, logits: Tensor, offsets: Tensor, proposals: Sequence[BoxList], *, details: bool = False
    ) -> list[BoxList]:
        """
        Args:
            logits: (sum n_i, O), background first.
            offsets: (sum n_i, R, 4), R = O or 2.
            proposals: n_i boxes per image.
            details: adds what a relation head needs.
        Returns:
            Detections per image with `pred_labels` (n,) and `pred_scores` (n,); with details also `predict_logits` (n,
            O), `boxes_per_cls` (n, O, 4) and, if the proposals have them, `labels`. In the order of the proposals with
            filter_duplicates, else class by class.
        """
        sizes = [len(boxes) for boxes in proposals]
        scores = logits.softmax(dim=1)
        boxes = self.coder.decode(offsets, torch.cat([boxes.bbox for boxes in proposals]))
        boxes = torch.cat(
            [clip_boxes(own, image.size) for own, image in zip(boxes.split(sizes), proposals, strict=True)]
        )
        if boxes.size(1) != logits.size(1):  # one regression for all classes
            boxes = boxes[:, -1:].expand(-1, logits.size(1), -1)
        image = group_of_rows(sizes, scores.device)
        row, label = self._survivors(scores, boxes, image)
        rows, labels = self._best(scores, row, label, image, sizes)
        detections, start = [], 0
        for own, row, label in zip(proposals, rows, labels, strict=True):
            detections.append(BoxList(boxes[row, label], own.size))
            detections[-1].add_field("pred_labels", label)
            detections[-1].add_field("pred_scores", scores[row, label])
            if details:
                detections[-1].add_field("predict_logits", logits[row])
                detections[-1].add_field("boxes_per_cls", boxes[row])
                if own.has_field("labels"):
                    detections[-1].add_field("labels", own.get_field("labels")[row - start])
            start += len(own)
        return detections

    def _survivors(self, scores: Tensor, boxes: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """
        Rows and classes (k,), (k,) of proposals that are likely enough and survive suppression within image and class,
        image by image, class by class; rows ascending.
        """
        likely = scores > self.score_threshold
        likely[:, 0] = False
        row, label = likely.nonzero().unbind(1)
        group = image[row] * scores.size(1) + label
        kept = batched_nms(boxes[row, label], scores[row, label], group, self.nms_threshold)  # best first
        row, label, group = row[kept], label[kept], group[kept]
        # Beyond the most of a class: class 0, which is no detection.
        label = torch.where(rank_within(group) < self.per_class, label, 0)
        order = (group * len(scores) + row).argsort()
        return row[order], label[order]

    def _best(
        self, scores: Tensor, row: Tensor, label: Tensor, image: Tensor, sizes: list[int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Rows and labels of the detections of each image, among the survivors."""
        surviving = torch.zeros_like(scores)
        surviving[row, label] = scores[row, label]
        surviving[:, 0] = 0
        if self.filter_duplicates:
            surviving, label = surviving.max(dim=1, keepdim=True)
            row, label = torch.arange(len(scores), device=scores.device), label[:, 0]
            score = surviving[:, 0]
        else:
            score = surviving[row, label]
        owner = image[row]
        stays = score > 0
        if self.per_image > 0:
            lowest = [part.topk(self.per_image).values[-1:] if part.numel() > self.per_image else part.new_zeros(1)
                      for part in (own.flatten() for own in surviving.split(sizes))]  # fmt: skip
            stays &= score >= torch.cat(lowest)[owner]
        chosen = rows_of_groups(torch.where(stays, owner, len(sizes)), len(sizes))
        return [row[entries] for entries in chosen], [label[entries] for entries in chosen]
