"""The box head: Fast R-CNN (arXiv 1504.08083) on proposals, and what a relation model takes from it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import BoxFeatureExtractor, build_box_feature_extractor
from maskrcnn_benchmark.modeling.roi_heads.box_head.loss import BoxLoss, label_proposals
from maskrcnn_benchmark.modeling.roi_heads.box_head.postprocess import BoxPostProcessor
from maskrcnn_benchmark.modeling.roi_heads.box_head.predictor import ROI_BOX_PREDICTOR
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import with_field


class ROIBoxHead(nn.Module):
    """Classifies boxes and regresses them."""

    def __init__(
        self,
        *,
        feature_extractor: BoxFeatureExtractor,
        predictor: nn.Module,
        post_processor: BoxPostProcessor,
        loss: BoxLoss,
        task: Task | None = None,
    ):
        """task: of a relation model, which uses the thresholds of the loss alone; None for a detector."""
        super().__init__()
        self.feature_extractor, self.predictor = feature_extractor, predictor
        self.coder = post_processor.coder  # and of the loss
        self.post_processor, self.loss, self.task = post_processor, loss, task

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> "ROIBoxHead":
        """Reads MODEL.ROI_HEADS, MODEL.ROI_BOX_HEAD and the task."""
        extractor = build_box_feature_extractor(cfg, in_channels, half_out=cfg.MODEL.ATTRIBUTE_ON)
        predictor = ROI_BOX_PREDICTOR[cfg.MODEL.ROI_BOX_HEAD.PREDICTOR]
        num_classes = cfg.MODEL.ROI_BOX_HEAD.NUM_CLASSES
        coder = BoxCoder(cfg.MODEL.ROI_HEADS.BBOX_REG_WEIGHTS)
        return cls(
            feature_extractor=extractor,
            predictor=predictor(
                extractor.out_channels, num_classes, 2 if cfg.MODEL.CLS_AGNOSTIC_BBOX_REG else num_classes
            ),
            post_processor=BoxPostProcessor.from_config(cfg, coder),
            loss=BoxLoss.from_node(cfg.MODEL.ROI_HEADS, coder, cfg.SEED, "box"),
            task=Task.from_cfg(cfg) if cfg.MODEL.RELATION_ON else None,
        )

    def forward(
        self, features: Sequence[Tensor], proposals: Sequence[BoxList], targets: Sequence[BoxList] | None = None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """
        The boxes of a detector.

        Args:
            features: (B, C, H_l, W_l) per level.
            proposals: boxes per image.
            targets: ground truth with `labels`; needed in training.
        Returns:
            In training sampled proposals with `labels`, `regression_targets` and perhaps `attributes`, and
            loss_classifier and loss_box_reg; else detections with `pred_labels` and `pred_scores`, and no loss.
        """
        if self.training:
            sampled = self.loss.sample(proposals, targets)
            logits, offsets = self.predictor(self.feature_extractor(features, sampled))
            return sampled, self.loss(logits, offsets, sampled)
        logits, offsets = self.predictor(self.feature_extractor(features, proposals))
        return self.post_processor(logits, offsets, proposals), {}

    @torch.no_grad()
    def entities(
        self, features: Sequence[Tensor], proposals: Sequence[BoxList], targets: Sequence[BoxList] | None
    ) -> list[BoxList]:
        """
        The entities of a relation model; the head is not trained here.

        Returns:
            SGCls: the proposals, which are the ground-truth boxes, with `predict_logits` (n, O).
            SGDet: detections with `pred_labels`, `pred_scores`, `predict_logits` (n, O), `boxes_per_cls` (n, O, 4) and,
            in training, `labels`: those of the proposals, before they were regressed.
        """
        if self.task is Task.SGDET and self.training:
            high = self.loss.high
            matches = [label_proposals(*image, high=high, low=high) for image in zip(proposals, targets, strict=True)]
            proposals = with_field(proposals, "labels", torch.cat([labels for labels, _ in matches]))
        logits, offsets = self.predictor(self.feature_extractor(features, proposals))
        if self.task is Task.SGDET:
            return self.post_processor(logits, offsets, proposals, details=True)
        return with_field(proposals, "predict_logits", logits)
