"""Losses of the region proposal network."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.modeling.averaging import mean_over_processes
from maskrcnn_benchmark.modeling.matcher import BETWEEN, match_boxes
from maskrcnn_benchmark.modeling.sampled_loss import SampledLoss
from maskrcnn_benchmark.structures.bounding_box import BoxList

# Where the regression loss goes from quadratic to linear.
BETA = 1.0 / 9


class RPNLoss(SampledLoss):
    """Objectness of sampled anchors, and offsets of the positive ones."""

    def __call__(
        self, anchors: Tensor, inside: Sequence[Tensor], logits: Tensor, offsets: Tensor, targets: Sequence[BoxList]
    ) -> dict[str, Tensor]:
        """
        Args:
            anchors: (n, 4) of all levels.
            inside: (n,) bool per image, the anchors that count.
            logits: (B, n).
            offsets: (B, n, 4).
            targets: ground truth.
        Returns:
            loss_objectness, mean over the sampled anchors of all processes; loss_rpn_box_reg, smooth L1 of the positive
            ones over the number of sampled ones.
        """
        chosen_logits, chosen_labels, errors, count = [], [], [], 0
        labelled = [self.label_anchors(anchors, own, target) for own, target in zip(inside, targets, strict=True)]
        drawn = self.sampler([labels for labels, _ in labelled], targets)
        for image, ((labels, boxes), (positives, negatives)) in enumerate(zip(labelled, drawn, strict=True)):
            sampled = torch.cat([positives, negatives])
            chosen_logits.append(logits[image, sampled])
            chosen_labels.append(labels[sampled].to(logits.dtype))
            wanted = self.coder.encode(boxes[positives], anchors[positives])
            errors.append(F.smooth_l1_loss(offsets[image, positives], wanted, beta=BETA, reduction="sum"))
            count += len(sampled)
        objectness = F.binary_cross_entropy_with_logits(
            torch.cat(chosen_logits), torch.cat(chosen_labels), reduction="sum"
        )
        return {
            "loss_objectness": mean_over_processes(objectness, count),
            "loss_rpn_box_reg": mean_over_processes(torch.stack(errors).sum(), count),
        }

    @torch.no_grad()
    def label_anchors(self, anchors: Tensor, inside: Tensor, target: BoxList) -> tuple[Tensor, Tensor]:
        """Labels (n,) 1, 0 or −1 (neither), and the ground-truth box (n, 4) of each positive anchor, else undefined."""
        gt_boxes = target.convert("xyxy").bbox
        matched = match_boxes(box_iou(gt_boxes, anchors), high=self.high, low=self.low, keep_best=True)
        labels = (matched >= 0).to(torch.int64)
        labels[matched == BETWEEN] = -1
        labels[~inside] = -1
        if len(gt_boxes) == 0:
            return labels, torch.zeros_like(anchors)
        return labels, gt_boxes[matched.clamp(min=0)]
