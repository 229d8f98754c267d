"""The context of the Transformer baseline: self-attention over an image's entities, once for labels, once for edges."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import Context, ContextEncoder
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    POSITION_DIM,
    best_foreground,
    greedy_foreground,
    label_vectors,
    position_numbers,
)
from maskrcnn_benchmark.structures.relation import PairBatch


class SelfAttention(nn.Module):
    """Multi-head self-attention with residual and LayerNorm after it. Input and output (B, T, hidden)."""

    def __init__(self, *, hidden: int, num_heads: int, key_dim: int, value_dim: int, dropout: float):
        super().__init__()
        self.num_heads, self.key_dim = num_heads, key_dim
        self.w_qs = nn.Linear(hidden, num_heads * key_dim)
        self.w_ks = nn.Linear(hidden, num_heads * key_dim)
        self.w_vs = nn.Linear(hidden, num_heads * value_dim)
        for layer, width in ((self.w_qs, key_dim), (self.w_ks, key_dim), (self.w_vs, value_dim)):
            nn.init.normal_(layer.weight, std=(2.0 / (hidden + width)) ** 0.5)
        self.layer_norm = nn.LayerNorm(hidden)
        self.fc = nn.Linear(num_heads * value_dim, hidden)
        nn.init.xavier_normal_(self.fc.weight)
        self.attention_dropout = nn.Dropout(dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """x (B, T, hidden), padding (B, T) bool, true where there is no box."""

        def heads(layer: nn.Linear) -> Tensor:
            return layer(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, T, width)

        scores = heads(self.w_qs) @ heads(self.w_ks).transpose(2, 3) / self.key_dim**0.5
        weights = F.softmax(scores.masked_fill(padding[:, None, None, :], -torch.inf), dim=-1)
        mixed = (self.attention_dropout(weights) @ heads(self.w_vs)).transpose(1, 2).flatten(2)
        return self.layer_norm(self.dropout(self.fc(mixed)) + x)


class FeedForward(nn.Module):
    """Two convolutions of kernel 1 (as published weights have it), residual, LayerNorm. (B, T, hidden) -> the same."""

    def __init__(self, *, hidden: int, inner: int, dropout: float):
        super().__init__()
        self.w_1 = nn.Conv1d(hidden, inner, 1)
        self.w_2 = nn.Conv1d(inner, hidden, 1)
        self.layer_norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(F.linear(x, self.w_1.weight.squeeze(2), self.w_1.bias))
        return self.layer_norm(self.dropout(F.linear(inner, self.w_2.weight.squeeze(2), self.w_2.bias)) + x)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, *, hidden: int, inner: int, num_heads: int, key_dim: int, value_dim: int, dropout: float):
        super().__init__()
        self.slf_attn = SelfAttention(
            hidden=hidden, num_heads=num_heads, key_dim=key_dim, value_dim=value_dim, dropout=dropout
        )
        self.pos_ffn = FeedForward(hidden=hidden, inner=inner, dropout=dropout)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return self.pos_ffn(self.slf_attn(x, padding))


class Encoder(nn.Module):
    """A stack of layers over every image's entities; no positional order."""

    def __init__(self, *, num_layers: int, **layer):
        super().__init__()
        self.layer_stack = nn.ModuleList(EncoderLayer(**layer) for _ in range(num_layers))

    def forward(self, x: Tensor, num_entities: list[int]) -> Tensor:
        """(N, hidden) -> (N, hidden); entities attend within their image."""
        if len(num_entities) == 1:  # No padding, and so nothing that a trace would have to count.
            return self._attend(x[None], x.new_zeros(1, len(x), dtype=torch.bool))[0]
        if not sum(num_entities):
            return x
        counts = torch.tensor([n for n in num_entities if n], device=x.device)
        padded = nn.utils.rnn.pad_sequence([part for part in x.split(num_entities) if len(part)], batch_first=True)
        padding = torch.arange(padded.size(1), device=x.device) >= counts.unsqueeze(1)
        return self._attend(padded, padding)[~padding]

    def _attend(self, x: Tensor, padding: Tensor) -> Tensor:
        """x (B, T, hidden), padding (B, T) as in SelfAttention; the result at padding is undefined."""
        for layer in self.layer_stack:
            x = layer(x, padding)
        return x


class TransformerContext(ContextEncoder):
    """Entity logits from one encoder, edge context from a second one that sees the labels."""

    def __init__(
        self,
        *,
        task: Task,
        in_channels: int,
        object_words: nn.Embedding,
        hidden: int,
        object_layers: int,
        edge_layers: int,
        later_nms_threshold: float,
        **layer: Any,
    ):
        """layer: arguments of EncoderLayer."""
        super().__init__(task=task, object_words=object_words, hidden=hidden)
        self.later_nms_threshold = later_nms_threshold
        self.bbox_embed = nn.Sequential(
            nn.Linear(9, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, POSITION_DIM), nn.ReLU(), nn.Dropout(0.1)
        )
        self.lin_obj = nn.Linear(in_channels + self.embed_dim + POSITION_DIM, hidden)
        self.lin_edge = nn.Linear(in_channels + hidden + self.embed_dim, hidden)
        self.out_obj = nn.Linear(hidden, self.num_classes)
        self.context_obj = Encoder(num_layers=object_layers, hidden=hidden, **layer)
        self.context_edge = Encoder(num_layers=edge_layers, hidden=hidden, **layer)

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "TransformerContext":
        node = cfg.MODEL.ROI_RELATION_HEAD.TRANSFORMER
        return cls(
            **cls.arguments(cfg, meta, in_channels),
            object_layers=node.OBJ_LAYER,
            edge_layers=node.REL_LAYER,
            inner=node.INNER_DIM,
            num_heads=node.NUM_HEAD,
            key_dim=node.KEY_DIM,
            value_dim=node.VAL_DIM,
            dropout=node.DROPOUT_RATE,
            later_nms_threshold=cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES,
        )

    def forward(self, pairs: PairBatch) -> Context:
        """Uses boxes, image_sizes, roi_features (N, F), labels or logits, in SGDet at test boxes_per_class."""
        features = pairs.roi_features
        positions = self.bbox_embed(position_numbers(pairs))
        entities = self.lin_obj(torch.cat([features, label_vectors(self.obj_embed1, pairs, self.task), positions], 1))
        context = self.context_obj(entities, pairs.num_objects)
        logits, labels = self.classify(pairs, context)
        edge_input = self.lin_edge(torch.cat([features, context, self.obj_embed2(labels)], 1))
        return Context(logits, labels, self.context_edge(edge_input, pairs.num_objects), context)

    def classify(self, pairs: PairBatch, context: Tensor) -> tuple[Tensor, Tensor]:
        """Object context (N, H) -> logits (N, O), labels (N,)."""
        if self.task.uses_gt_labels:
            return self.ground_truth(pairs)
        logits = self.out_obj(context)
        if self.task.uses_gt_boxes or self.training:
            return logits, best_foreground(logits.detach())
        return logits, greedy_foreground(logits, pairs.boxes_per_class, pairs.num_objects, self.later_nms_threshold)
