"""Iterative message passing between entities and pairs (Xu et al., CVPR 2017)."""

from __future__ import annotations

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.messages import MessagePassing
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.pairs import union_projection
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import given_label_logits
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import (
    ROI_RELATION_PREDICTOR,
    RelationPredictor,
)
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput


@ROI_RELATION_PREDICTOR.register("IMPPredictor")
class IMPPredictor(RelationPredictor):
    """Message passing between entities and pairs; no labels, positions or frequency bias."""

    # The box extractors start trained, the messages do not.
    extractor_slowdown = 10.0

    def __init__(self, *, task: Task, in_channels: int, pooling_dim: int, num_classes: int, num_predicates: int):
        super().__init__()
        self.task, self.num_classes = task, num_classes
        self.up_dim = union_projection(in_channels, pooling_dim)
        self.context_layer = MessagePassing(
            in_channels=in_channels, edge_channels=pooling_dim, num_classes=num_classes, num_predicates=num_predicates
        )

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> IMPPredictor:
        return cls(
            task=Task.from_cfg(cfg),
            in_channels=in_channels,
            pooling_dim=cfg.MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM,
            num_classes=len(meta.objects),
            num_predicates=len(meta.predicates),
        )

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """Uses roi_features (N, F), union_features (P, F), in PredCls object_labels (N,)."""
        entity_logits, relation_logits = self.context_layer(
            pairs.roi_features, self.up_dim(pairs.union_features), pairs.pair_index
        )
        if self.task.uses_gt_labels:
            entity_logits = given_label_logits(pairs.object_labels, self.num_classes).to(entity_logits.dtype)
        return RelationOutput(entity_logits, relation_logits, {})
