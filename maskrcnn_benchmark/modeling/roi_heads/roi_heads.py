"""The heads on regions, in their order: boxes, attributes, relations."""

from collections.abc import Sequence

from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.attribute_head import ROIAttributeHead
from maskrcnn_benchmark.modeling.roi_heads.box_head import ROIBoxHead
from maskrcnn_benchmark.modeling.roi_heads.relation_head.relation_head import ROIRelationHead, build_roi_relation_head
from maskrcnn_benchmark.structures.bounding_box import BoxList


class ROIHeads(nn.Module):
    """`box`, and where they are on `attribute` and `relation`; else these are None."""

    def __init__(
        self,
        *,
        box: ROIBoxHead,
        attribute: ROIAttributeHead | None = None,
        relation: ROIRelationHead | None = None,
        task: Task | None = None,
    ):
        """task: of the relation head."""
        super().__init__()
        self.box, self.attribute, self.relation, self.task = box, attribute, relation, task

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta | None, in_channels: int) -> "ROIHeads":
        """Reads MODEL.ATTRIBUTE_ON and RELATION_ON; meta is needed with relations."""
        return cls(
            box=ROIBoxHead.from_config(cfg, in_channels),
            attribute=ROIAttributeHead.from_config(cfg, in_channels) if cfg.MODEL.ATTRIBUTE_ON else None,
            relation=build_roi_relation_head(cfg, meta, in_channels) if cfg.MODEL.RELATION_ON else None,
            task=Task.from_cfg(cfg) if cfg.MODEL.RELATION_ON else None,
        )

    def forward(
        self, features: Sequence[Tensor], proposals: Sequence[BoxList], targets: Sequence[BoxList] | None = None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """
        Boxes and attributes of a detector.

        Args:
            features: (B, C, H_l, W_l) for each level.
            proposals: the boxes of each image.
            targets: ground truth, needed in training.
        Returns:
            In training the boxes worked on and the losses; else results and no loss.
        """
        boxes, losses = self.box(features, proposals, targets)
        if self.attribute is None:
            return boxes, losses
        generator = self.box.loss.sampler.generator(targets[0]) if self.training and targets else None
        boxes, attribute_losses = self.attribute(features, boxes, generator)
        return boxes, {**losses, **attribute_losses}

    def entities(
        self, features: Sequence[Tensor], proposals: Sequence[BoxList], targets: Sequence[BoxList] | None
    ) -> list[BoxList]:
        """
        What the relation head works on.

        Args:
            proposals: the boxes of each image; in PredCls and SGCls the ground truth with its labels. PredCls and boxes
                of a file, which have `predict_logits`, need no box head.
        """
        if self.task is Task.PREDCLS or all(boxes.has_field("predict_logits") for boxes in proposals):
            return list(proposals)
        return self.box.entities(features, proposals, targets)
