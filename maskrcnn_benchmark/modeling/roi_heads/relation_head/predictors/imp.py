"""Iterative message passing between entities and pairs (Xu et al., CVPR 2017)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.backbone.conv import linear
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.pairs import union_projection
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import ground_truth_logits
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import (
    ROI_RELATION_PREDICTOR,
    RelationPredictor,
)
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput

# Width of entity and pair states, and rounds of messages, of the published model.
HIDDEN, ROUNDS = 512, 3


class MessagePassing(nn.Module):
    """Three rounds of gated messages between entity states and pair states, both updated by a GRU cell."""

    def __init__(
        self,
        *,
        in_channels: int,
        edge_channels: int,
        num_classes: int,
        num_predicates: int,
    ):
        super().__init__()
        self.rel_fc = linear(HIDDEN, num_predicates)
        self.obj_fc = linear(HIDDEN, num_classes)
        self.obj_unary = linear(in_channels, HIDDEN)
        self.edge_unary = linear(edge_channels, HIDDEN)
        self.edge_gru = nn.GRUCell(HIDDEN, HIDDEN)
        self.node_gru = nn.GRUCell(HIDDEN, HIDDEN)
        self.sub_vert_w_fc = nn.Sequential(nn.Linear(2 * HIDDEN, 1), nn.Sigmoid())
        self.obj_vert_w_fc = nn.Sequential(nn.Linear(2 * HIDDEN, 1), nn.Sigmoid())
        self.out_edge_w_fc = nn.Sequential(nn.Linear(2 * HIDDEN, 1), nn.Sigmoid())
        self.in_edge_w_fc = nn.Sequential(nn.Linear(2 * HIDDEN, 1), nn.Sigmoid())

    def forward(self, roi_features: Tensor, edge_features: Tensor, pair_index: Tensor) -> tuple[Tensor, Tensor]:
        """roi_features (N, F), edge_features (P, D), pair_index (P, 2) -> entity (N, O) and relation logits (P, K)."""
        subject, object_ = pair_index.unbind(1)
        node_input = self.obj_unary(roi_features)
        edge_input = F.relu(self.edge_unary(edge_features))
        node = self.node_gru(node_input, torch.zeros_like(node_input))
        edge = self.edge_gru(edge_input, torch.zeros_like(edge_input))
        for _ in range(ROUNDS):
            at_subject, at_object = node[subject], node[object_]
            with_subject, with_object = torch.cat([at_subject, edge], 1), torch.cat([at_object, edge], 1)
            to_edge = self.sub_vert_w_fc(with_subject) * at_subject + self.obj_vert_w_fc(with_object) * at_object
            to_node = torch.zeros_like(node)
            to_node = to_node.index_add(0, subject, (self.out_edge_w_fc(with_subject) * edge).to(node.dtype))
            to_node = to_node.index_add(0, object_, (self.in_edge_w_fc(with_object) * edge).to(node.dtype))
            node, edge = self.node_gru(to_node, node), self.edge_gru(to_edge, edge)
        return self.obj_fc(node), self.rel_fc(edge)


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
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "IMPPredictor":
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
            entity_logits = ground_truth_logits(pairs.object_labels, self.num_classes).to(entity_logits.dtype)
        return RelationOutput(entity_logits, relation_logits, {})
