"""What the context encoders share: tables of word vectors, running averages of untreated inputs."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.words import word_table
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import ground_truth_logits
from maskrcnn_benchmark.structures.relation import PairBatch

AVERAGE_DECAY = 0.9995


@dataclass
class Context:
    """
    Result of a context encoder.

    Attributes:
        entity_logits: (N, O). labels: (N,) behind the edge input and the frequency bias. edge: (N, H) edge context.
        losses: the encoder's own.
        object_context, order: (N, H) and the order of the entities, for the second pass of RecurrentContext.
    """

    entity_logits: Tensor
    labels: Tensor
    edge: Tensor
    object_context: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    order: Any = None


def highway_state(output: Tensor, carry: Tensor, memory: Tensor, highway: Tensor) -> Tensor:
    """The state of a highway LSTM cell from its output and carry gates' logits, its memory and its projected input."""
    carry = torch.sigmoid(carry)
    return carry * torch.sigmoid(output) * torch.tanh(memory) + (1 - carry) * highway


@torch.no_grad()
def update_average(average: Tensor, rows: Tensor) -> None:
    """Moves an average (F,) in place towards the mean of rows (n, F), if there are any (TDE, CVPR 2020, eq. 8)."""
    if len(rows):
        average.mul_(AVERAGE_DECAY).add_(rows.detach().mean(0).to(average.dtype), alpha=1 - AVERAGE_DECAY)


class ContextEncoder(nn.Module):
    """Base of the context encoders."""

    def __init__(self, *, task: Task, object_words: nn.Embedding, hidden: int):
        """object_words: (O, E) table of word vectors, the start of `obj_embed1` and `obj_embed2`."""
        super().__init__()
        self.task, self.hidden = task, hidden
        self.num_classes, self.embed_dim = object_words.num_embeddings, object_words.embedding_dim
        self.obj_embed1 = object_words
        self.obj_embed2 = copy.deepcopy(object_words)

    @classmethod
    def arguments(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> dict[str, Any]:
        """The constructor's arguments that every encoder has."""
        return {
            "task": Task.from_cfg(cfg),
            "in_channels": in_channels,
            "object_words": word_table(cfg, meta.objects),
            "hidden": cfg.MODEL.ROI_RELATION_HEAD.CONTEXT_HIDDEN_DIM,
        }

    def keep_average(self, name: str, width: int) -> None:
        """Adds the buffer untreated_<name> (width,), from zero."""
        self.register_buffer(f"untreated_{name}", torch.zeros(width))

    def track(self, name: str, rows: Tensor) -> None:
        """In training, moves untreated_<name> if this encoder keeps it."""
        average = getattr(self, f"untreated_{name}", None)
        if self.training and average is not None:
            update_average(average, rows)

    def ground_truth(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """PredCls: logits (N, O) and labels (N,) of the ground truth."""
        logits = ground_truth_logits(pairs.object_labels, self.num_classes)
        return logits.to(pairs.roi_features.dtype), pairs.object_labels.long()
