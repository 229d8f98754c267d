"""Losses of the box head over sampled proposals."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.modeling.averaging import mean_over_processes
from maskrcnn_benchmark.modeling.matcher import BETWEEN, match_boxes
from maskrcnn_benchmark.modeling.sampled_loss import SampledLoss
from maskrcnn_benchmark.structures.bounding_box import BoxList


def label_proposals(proposals: BoxList, target: BoxList, *, high: float, low: float) -> tuple[Tensor, Tensor]:
    """
    The label of the ground-truth box that each proposal overlaps most.

    Args:
        proposals: n boxes.
        target: M ground-truth boxes with `labels`.
        high: IoU from which the label holds.
        low: IoU below which a proposal is background.
    Returns:
        Labels (n,): 0 background, −1 neither. Rows of `target` (n,), −1 or less where no label above 0 is due.
    """
    matched = match_boxes(box_iou(target.convert("xyxy").bbox, proposals.bbox), high=high, low=low)
    if len(target) == 0:
        return torch.zeros_like(matched), matched
    labels = torch.where(matched >= 0, target.get_field("labels")[matched.clamp(min=0)], 0)
    return labels.masked_fill(matched == BETWEEN, -1), matched


class BoxLoss(SampledLoss):
    """Samples proposals for training, and compares what the predictor says about them."""

    @torch.no_grad()
    def sample(self, proposals: Sequence[BoxList], targets: Sequence[BoxList]) -> list[BoxList]:
        """
        Args:
            proposals: boxes per image.
            targets: ground-truth boxes with `labels`, perhaps `attributes` (M, A).
        Returns:
            Some of the proposals per image, with `labels` (n,), `regression_targets` (n, 4), offsets that are
            defined where the label is above 0, and `attributes` (n, A), zeros for background, if the target has them.
        """
        labelled = [
            label_proposals(boxes, target, high=self.high, low=self.low)
            for boxes, target in zip(proposals, targets, strict=True)
        ]
        drawn = self.sampler([labels for labels, _ in labelled], targets)
        images = zip(proposals, targets, labelled, drawn, strict=True)
        return [self._sampled(boxes, target, *found, torch.cat(rows)) for boxes, target, found, rows in images]

    def _sampled(self, proposals: BoxList, target: BoxList, labels: Tensor, matched: Tensor, rows: Tensor) -> BoxList:
        """Sampled rows of one image's proposals with their training targets."""
        sampled, labels, matched = proposals.copy_with_fields()[rows], labels[rows], matched[rows]
        gt_boxes = target.convert("xyxy").bbox
        goal = gt_boxes[matched.clamp(min=0)] if len(gt_boxes) else sampled.bbox
        sampled.add_field("labels", labels)
        sampled.add_field("regression_targets", self.coder.encode(goal, sampled.bbox))
        if target.has_field("attributes"):
            attributes = target.get_field("attributes")
            own = (
                attributes[matched.clamp(min=0)]
                if len(gt_boxes)
                else attributes.new_zeros((len(rows), attributes.size(1)))
            )
            sampled.add_field("attributes", own * (labels > 0)[:, None].to(own.dtype))
        return sampled

    def __call__(self, logits: Tensor, offsets: Tensor, sampled: Sequence[BoxList]) -> dict[str, Tensor]:
        """
        Args:
            logits: (n, O) of all sampled proposals.
            offsets: (n, R, 4), R = O or 2.
            sampled: as `sample` returned them.
        Returns:
            loss_classifier, the mean cross-entropy over the proposals of all processes; loss_box_reg, smooth L1 of the
            labelled class's offsets over the number of proposals.
        """
        labels = torch.cat([boxes.get_field("labels") for boxes in sampled])
        goals = torch.cat([boxes.get_field("regression_targets") for boxes in sampled])
        column = labels.clamp(min=0) if offsets.size(1) == logits.size(1) else torch.ones_like(labels)
        own = offsets[torch.arange(len(labels), device=labels.device), column]
        # Background is its own goal: chosen away, the objects' number would have to be waited for.
        goals = torch.where((labels > 0)[:, None], goals, own.detach())
        regression = F.smooth_l1_loss(own, goals, beta=1.0, reduction="sum")
        classification = F.cross_entropy(logits, labels, reduction="sum")
        return {
            "loss_classifier": mean_over_processes(classification, len(labels)),
            "loss_box_reg": mean_over_processes(regression, len(labels)),
        }
