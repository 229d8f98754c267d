"""What the encoders of LSTMs share, whether these run along sequences (Motifs) or along trees (VCTree)."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import Context, ContextEncoder
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.words import word_table
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    POSITION_DIM,
    label_vectors,
    position_embedding,
    position_numbers,
)
from maskrcnn_benchmark.structures.relation import PairBatch

# The way in which the LSTMs visit the entities of the batch.
Order = Any


class RecurrentContext(ContextEncoder, ABC):
    """
    Object context, label decoder and edge context, one after the other and each along the same order of the entities.

    Attributes:
        entity_dim, decoder_dim, edge_dim: widths of what the three get: [features; label vector; position], that and
            the object context, [label vector; features; object context].
    """

    def __init__(self, *, task: Task, in_channels: int, object_words: nn.Embedding, hidden: int, keep_averages: bool):
        """keep_averages: keep `untreated_*` for causal effects. The others: see ContextEncoder."""
        super().__init__(task=task, object_words=object_words, hidden=hidden)
        self.entity_dim = in_channels + self.embed_dim + POSITION_DIM
        self.decoder_dim = self.entity_dim + hidden
        self.edge_dim = self.embed_dim + in_channels + hidden
        if keep_averages:
            self.keep_average("dcd_feat", self.decoder_dim)
            self.keep_average("obj_feat", self.entity_dim)
            self.keep_average("edg_feat", self.embed_dim + in_channels)
        self.pos_embed = position_embedding()

    @classmethod
    def arguments(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> dict[str, Any]:
        """The constructor's arguments, from the CONTEXT_* keys and CAUSAL.EFFECT_ANALYSIS."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        return super().arguments(cfg, meta, in_channels) | {
            "decoder_words": word_table(cfg, ["start", *meta.objects]),
            "object_layers": head.CONTEXT_OBJ_LAYER,
            "edge_layers": head.CONTEXT_REL_LAYER,
            "dropout": head.CONTEXT_DROPOUT_RATE,
            "keep_averages": head.CAUSAL.EFFECT_ANALYSIS,
        }

    def forward(self, pairs: PairBatch) -> Context:
        """Uses boxes, image_sizes, roi_features (N, F), labels or logits, and what `order` and `decode` use."""
        if not len(pairs.boxes):
            none = pairs.roi_features.new_zeros(0, self.hidden)
            return Context(none.new_zeros(0, self.num_classes), pairs.pair_index.new_zeros(0), none, none)
        vectors, numbers = label_vectors(self.obj_embed1, pairs, self.task), position_numbers(pairs)
        entities = torch.cat([pairs.roi_features, vectors, self.pos_embed(numbers)], 1)
        self.track("obj_feat", entities)
        order, losses = self.order(pairs, vectors, numbers)
        context = self.object_context(entities, order)
        logits, labels = self.decode(pairs, torch.cat([entities, context], 1), order)
        edge_input = torch.cat([self.obj_embed2(labels), pairs.roi_features], 1)
        self.track("edg_feat", edge_input)
        edge = self.edge_context(torch.cat([edge_input, context], 1), order)
        return Context(logits, labels, edge, context, losses, order)

    def counterfactual(self, pairs: PairBatch, factual: Context) -> Context:
        """The second pass of a causal effect: average inputs to decoder and edge context, all else as it is."""
        num, context, order = len(pairs.boxes), factual.object_context, factual.order
        if not num:
            return factual
        logits, labels = self.decode(pairs, self.untreated_dcd_feat.expand(num, -1), order)
        edge = self.edge_context(torch.cat([self.untreated_edg_feat.expand(num, -1), context], 1), order)
        return Context(logits, labels, edge, context, order=order)

    @abstractmethod
    def order(self, pairs: PairBatch, vectors: Tensor, numbers: Tensor) -> tuple[Order, dict[str, Tensor]]:
        """Label vectors (N, E), positions (N, 9) -> the order, and in training the losses that teach it."""

    @abstractmethod
    def object_context(self, entities: Tensor, order: Order) -> Tensor:
        """(N, entity_dim) -> (N, H)."""

    @abstractmethod
    def edge_context(self, inputs: Tensor, order: Order) -> Tensor:
        """(N, edge_dim) -> (N, H)."""

    @abstractmethod
    def decode(self, pairs: PairBatch, inputs: Tensor, order: Order) -> tuple[Tensor, Tensor]:
        """(N, decoder_dim) -> entity logits (N, O) and the labels (N,) behind edge input and frequency bias."""
