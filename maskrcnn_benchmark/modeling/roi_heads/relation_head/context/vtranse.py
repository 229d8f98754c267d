"""The context of VTransE (Zhang et al., CVPR 2017): a classifier and one layer, entity by entity."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.backbone.conv import linear
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import Context, ContextEncoder
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    POSITION_DIM,
    label_vectors,
    position_embedding,
    position_numbers,
)
from maskrcnn_benchmark.structures.relation import PairBatch


class VTransEContext(ContextEncoder):
    """Entity logits from one layer, edge context from another; no entity sees the others."""

    def __init__(self, *, task: Task, in_channels: int, object_words: nn.Embedding, hidden: int, keep_averages: bool):
        super().__init__(task=task, object_words=object_words, hidden=hidden)
        entity = in_channels + self.embed_dim + POSITION_DIM
        if keep_averages:
            self.keep_average("obj_feat", entity)
            self.keep_average("edg_feat", in_channels + POSITION_DIM)
        self.pos_embed = position_embedding()
        self.pred_layer = linear(entity, self.num_classes)
        self.fc_layer = linear(entity, hidden)

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "VTransEContext":
        keep_averages = cfg.MODEL.ROI_RELATION_HEAD.CAUSAL.EFFECT_ANALYSIS
        return cls(**cls.arguments(cfg, meta, in_channels), keep_averages=keep_averages)

    def forward(self, pairs: PairBatch) -> Context:
        """As RecurrentContext.forward. PredCls keeps the ground-truth labels, which published code classifies."""
        positions = self.pos_embed(position_numbers(pairs))
        entities = torch.cat([pairs.roi_features, label_vectors(self.obj_embed1, pairs, self.task), positions], 1)
        self.track("obj_feat", entities)
        logits, labels = self.classify(pairs, entities)
        edge_input = torch.cat([pairs.roi_features, positions], 1)
        self.track("edg_feat", edge_input)
        return Context(logits, labels, F.relu(self.fc_layer(torch.cat([edge_input, self.obj_embed2(labels)], 1))))

    def counterfactual(self, pairs: PairBatch, _: Context) -> Context:
        """The second pass of a causal effect: one average entity for all."""
        num = len(pairs.boxes)
        logits, labels = self.classify(pairs, self.untreated_obj_feat.expand(num, -1))
        words = logits.float().softmax(1).to(logits.dtype) @ self.obj_embed2.weight
        return Context(
            logits, labels, F.relu(self.fc_layer(torch.cat([self.untreated_edg_feat.expand(num, -1), words], 1)))
        )

    def classify(self, pairs: PairBatch, entities: Tensor) -> tuple[Tensor, Tensor]:
        """Entity logits (N, O) and their argmax, background allowed; in PredCls the ground truth."""
        if self.task.uses_gt_labels:
            return self.ground_truth(pairs)
        logits = self.pred_layer(entities)
        return logits, logits.detach().argmax(1)
