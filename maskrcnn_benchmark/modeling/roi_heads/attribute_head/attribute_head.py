"""The attribute head: which attributes a box has, learned on the box head's sampled proposals."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.attribute_head.loss import AttributeLoss
from maskrcnn_benchmark.modeling.roi_heads.attribute_head.predictor import ROI_ATTRIBUTE_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import ROI_BOX_FEATURE_EXTRACTORS, BoxFeatureExtractor
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import with_field


class ROIAttributeHead(nn.Module):
    """Attributes of boxes, by an extractor of its own."""

    def __init__(self, *, feature_extractor: BoxFeatureExtractor, predictor: nn.Module, loss: AttributeLoss):
        super().__init__()
        self.feature_extractor, self.predictor, self.loss = feature_extractor, predictor, loss

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> "ROIAttributeHead":
        """Reads MODEL.ROI_ATTRIBUTE_HEAD; its extractor has half the output, the box head's the other half."""
        node = cfg.MODEL.ROI_ATTRIBUTE_HEAD
        extractor = ROI_BOX_FEATURE_EXTRACTORS[node.FEATURE_EXTRACTOR].from_config(cfg, in_channels, half_out=True)
        predictor = ROI_ATTRIBUTE_PREDICTOR[node.PREDICTOR](extractor.out_channels, node.NUM_ATTRIBUTES)
        return cls(feature_extractor=extractor, predictor=predictor, loss=AttributeLoss.from_config(cfg))

    def forward(
        self, features: Sequence[Tensor], boxes: Sequence[BoxList], generator: torch.Generator | None = None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """
        Args:
            features: (B, C, H_l, W_l) per level.
            boxes: in training sampled proposals with `attributes`, else detections.
            generator: of the draw of boxes without attributes.
        Returns:
            The boxes, in evaluation with `attribute_logits` (n, A); in training loss_attribute.
        """
        logits = self.predictor(self.feature_extractor(features, boxes))
        if self.training:
            attributes = torch.cat([image_boxes.get_field("attributes") for image_boxes in boxes])
            return list(boxes), {"loss_attribute": self.loss(logits, attributes, generator)}
        return with_field(boxes, "attribute_logits", logits), {}
