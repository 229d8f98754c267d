"""What the context encoders share: tables of word vectors, given labels, running averages of untreated inputs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.trees import Forest
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.words import class_table, decoder_table
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import box_positions, entity_sizes, given_label_logits
from maskrcnn_benchmark.structures.relation import PairBatch

AVERAGE_DECAY = 0.9995


@dataclass
class Context:
    """
    Result of a context encoder.

    Attributes:
        entity_logits: (N, O). labels: (N,) the labels behind the edge input and the frequency bias. edge: (N, H) edge
            context.
        object_context: (N, H) the object context c, for a second pass. losses: the encoder's own. forest: VCTree's
            trees.
    """

    entity_logits: Tensor
    labels: Tensor
    edge: Tensor
    object_context: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    forest: Forest | None = None


def kaiming_linear(in_channels: int, out_channels: int) -> nn.Linear:
    """A linear layer that starts Kaiming uniform (a = 1), its bias at 0."""
    layer = nn.Linear(in_channels, out_channels)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    nn.init.zeros_(layer.bias)
    return layer


@torch.no_grad()
def update_average(average: Tensor, rows: Tensor) -> None:
    """
    Moves a running average (F,) towards the mean of rows (n, F), in place; no rows change nothing (TDE, CVPR 2020, eq.
    8).
    """
    if len(rows):
        average.mul_(AVERAGE_DECAY).add_(rows.detach().mean(0).to(average.dtype), alpha=1 - AVERAGE_DECAY)


class ContextEncoder(nn.Module):
    """Base of the context encoders: tables of word vectors, position embedding, running averages.

    Args:
        object_words: (O, E) table of word vectors, the start of `obj_embed1` and `obj_embed2`.
    """

    def __init__(self, *, task: Task, object_words: nn.Embedding, hidden: int):
        super().__init__()
        self.task, self.hidden = task, hidden
        self.num_classes, self.embed_dim = object_words.num_embeddings, object_words.embedding_dim
        self.obj_embed1 = object_words
        self.obj_embed2 = copy.deepcopy(object_words)

    @staticmethod
    def arguments(cfg: Config, meta: DatasetMeta, in_channels: int) -> dict[str, Any]:
        """The constructor's arguments that every encoder has."""
        return {
            "task": Task.from_cfg(cfg),
            "in_channels": in_channels,
            "object_words": class_table(cfg, meta),
            "hidden": cfg.MODEL.ROI_RELATION_HEAD.CONTEXT_HIDDEN_DIM,
        }

    @classmethod
    def recurrent_arguments(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> dict[str, Any]:
        """The arguments that encoders of LSTMs have, along sequences and along trees."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        return cls.arguments(cfg, meta, in_channels) | {
            "decoder_words": decoder_table(cfg, meta),
            "object_layers": head.CONTEXT_OBJ_LAYER,
            "edge_layers": head.CONTEXT_REL_LAYER,
            "dropout": head.CONTEXT_DROPOUT_RATE,
            "keep_averages": head.CAUSAL.EFFECT_ANALYSIS,
        }

    def keep_average(self, name: str, width: int) -> None:
        """Adds the buffer untreated_<name> (width,), from zero."""
        self.register_buffer(f"untreated_{name}", torch.zeros(width))

    def keep_recurrent_averages(self, entity: int, in_channels: int) -> None:
        """The three averages of encoders of LSTMs; entity: width of an entity's input, in_channels: of its features."""
        self.keep_average("dcd_feat", entity + self.hidden)
        self.keep_average("obj_feat", entity)
        self.keep_average("edg_feat", self.embed_dim + in_channels)

    def track(self, name: str, rows: Tensor) -> None:
        """In training, moves untreated_<name> if this encoder keeps it."""
        average = getattr(self, f"untreated_{name}", None)
        if self.training and average is not None:
            update_average(average, rows)

    def given_labels(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """PredCls: logits (N, O) and labels (N,) of the ground truth."""
        return (
            given_label_logits(pairs.object_labels, self.num_classes).to(pairs.roi_features.dtype),
            pairs.object_labels.long(),
        )

    def empty(self, pairs: PairBatch) -> Context:
        """The result of a batch without a box."""
        none = pairs.roi_features.new_zeros(0, self.hidden)
        return Context(none.new_zeros(0, self.num_classes), pairs.pair_index.new_zeros(0), none, none)


def position_numbers(pairs: PairBatch) -> Tensor:
    """The nine numbers of each box of the batch, (N, 9)."""
    return box_positions(pairs.boxes, entity_sizes(pairs.image_sizes, pairs.num_objects, pairs.boxes))
