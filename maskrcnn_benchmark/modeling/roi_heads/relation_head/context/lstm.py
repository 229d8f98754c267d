"""The context of Neural Motifs (Zellers et al., CVPR 2018): LSTMs over the boxes of an image, from right to left."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import highway_state
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.recurrent import RecurrentContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground, greedy_foreground
from maskrcnn_benchmark.structures.relation import PairBatch


class Sequences(NamedTuple):
    """index (B, T) rows of the batch-wide list of entities, padded with 0; lengths (B,) on the CPU."""

    index: Tensor
    lengths: Tensor


def right_to_left(pairs: PairBatch) -> Sequences:
    """The order in which an image's boxes are read: by descending centre x. Images without a box have no row."""
    centres = pairs.boxes[:, 0] + pairs.boxes[:, 2]
    rows = torch.arange(len(centres), device=centres.device)
    ordered = [
        image_rows[image_centres.argsort(descending=True, stable=True)]
        for image_rows, image_centres in zip(
            rows.split(pairs.num_objects), centres.split(pairs.num_objects), strict=True
        )
        if len(image_rows)
    ]
    index = nn.utils.rnn.pad_sequence(ordered, batch_first=True)
    return Sequences(index, torch.tensor([len(image_rows) for image_rows in ordered]))


def run_lstm(lstm: nn.LSTM, inputs: Tensor, index: Tensor, lengths: Tensor) -> Tensor:
    """A batch-first bidirectional LSTM over each image's boxes in this order. (N, F) -> (N, 2H), rows as they came."""
    packed = pack_padded_sequence(inputs[index], lengths, batch_first=True, enforce_sorted=False)
    padded, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=index.size(1))
    valid = (torch.arange(index.size(1)) < lengths.unsqueeze(1)).to(index.device)
    return padded.new_zeros(len(inputs), padded.size(2)).index_copy(0, index[valid], padded[valid])


class LabelDecoder(nn.Module):
    """
    A highway LSTM that labels an image's boxes one after another, each from the label of the one before; all images of
    the batch take their steps together.

    Args:
        words: (O + 1, E) table of word vectors, row 0 the start token, class c at row c + 1.
        in_channels: width of [a; c].
        dropout: rate on the state, one mask per image and call.
    """

    def __init__(self, *, words: nn.Embedding, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.hidden = hidden
        self.obj_embed = words
        self.input_linearity = nn.Linear(in_channels + words.embedding_dim, 6 * hidden)
        self.state_linearity = nn.Linear(hidden, 5 * hidden)
        nn.init.zeros_(self.input_linearity.bias)
        nn.init.zeros_(self.state_linearity.bias)
        self.out_obj = nn.Linear(hidden, words.num_embeddings - 1)
        self.dropout = nn.Dropout(dropout)

    def step(self, inputs: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """inputs (B, I), state (B, H), memory (B, H) -> the next two, dropout not yet applied."""
        from_input, from_state = self.input_linearity(inputs), self.state_linearity(state)
        gates, highway = from_input[:, : 5 * self.hidden] + from_state, from_input[:, 5 * self.hidden :]
        i, f, g, o, r = gates.chunk(5, 1)
        memory = torch.sigmoid(i) * torch.tanh(g) + torch.sigmoid(f) * memory
        return highway_state(o, r, memory, highway), memory

    def forward(self, inputs: Tensor, index: Tensor, lengths: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """
        Args:
            inputs: (N, I). index (B, T), lengths (B,): the order of `right_to_left`.
            labels: (N,) true labels to pass on in training (a background box passes its own best class), or None.
        Returns:
            logits (N, O); labels (N,) as they were passed on.
        """
        num_images, steps = index.shape
        state, memory = inputs.new_zeros(num_images, self.hidden), inputs.new_zeros(num_images, self.hidden)
        mask = self.dropout(torch.ones_like(state))
        previous = self.obj_embed.weight[:1].expand(num_images, -1)
        all_logits, all_labels = [], []
        for t in range(steps):
            state, memory = self.step(torch.cat([inputs[index[:, t]], previous], 1), state, memory)
            state = state * mask
            logits = self.out_obj(state)
            best = best_foreground(logits.detach())
            if labels is not None:
                true = labels[index[:, t]].long()
                best = torch.where(true > 0, true, best)
            previous = self.obj_embed(best + 1)
            all_logits.append(logits)
            all_labels.append(best)
        valid = (torch.arange(steps) < lengths.unsqueeze(1)).to(index.device)
        rows = index[valid]
        logits = torch.stack(all_logits, 1)[valid]
        return (
            logits.new_zeros(len(inputs), logits.size(1)).index_copy(0, rows, logits),
            index.new_zeros(len(inputs)).index_copy(0, rows, torch.stack(all_labels, 1)[valid]),
        )


class LSTMContext(RecurrentContext):
    """The context of Neural Motifs: the LSTMs read the boxes of each image from right to left."""

    def __init__(
        self,
        *,
        decoder_words: nn.Embedding,
        hidden: int,
        object_layers: int,
        edge_layers: int,
        dropout: float,
        later_nms_threshold: float,
        **shared: Any,
    ):
        """decoder_words: (O + 1, E), as LabelDecoder has it. The others: see RecurrentContext, greedy_foreground."""
        super().__init__(hidden=hidden, **shared)
        self.later_nms_threshold = later_nms_threshold

        def lstm(width: int, layers: int) -> nn.LSTM:
            between = dropout if layers > 1 else 0.0
            return nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=True, dropout=between)

        self.obj_ctx_rnn = lstm(self.entity_dim, object_layers)
        self.decoder_rnn = LabelDecoder(
            words=decoder_words, in_channels=self.decoder_dim, hidden=hidden, dropout=dropout
        )
        self.edge_ctx_rnn = lstm(self.edge_dim, edge_layers)
        self.lin_obj_h = nn.Linear(2 * hidden, hidden)
        self.lin_edge_h = nn.Linear(2 * hidden, hidden)

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "LSTMContext":
        threshold = cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES
        return cls(**cls.arguments(cfg, meta, in_channels), later_nms_threshold=threshold)

    def order(self, pairs: PairBatch, vectors: Tensor, numbers: Tensor) -> tuple[Sequences, dict[str, Tensor]]:  # noqa: ARG002
        return right_to_left(pairs), {}

    def object_context(self, entities: Tensor, order: Sequences) -> Tensor:
        return self.lin_obj_h(run_lstm(self.obj_ctx_rnn, entities, *order))

    def edge_context(self, inputs: Tensor, order: Sequences) -> Tensor:
        return self.lin_edge_h(run_lstm(self.edge_ctx_rnn, inputs, *order))

    def decode(self, pairs: PairBatch, inputs: Tensor, order: Sequences) -> tuple[Tensor, Tensor]:
        self.track("dcd_feat", inputs)
        if self.task.uses_gt_labels:
            return self.ground_truth(pairs)
        logits, labels = self.decoder_rnn(inputs, *order, pairs.object_labels if self.training else None)
        if not self.training and not self.task.uses_gt_boxes:
            labels = greedy_foreground(logits, pairs.boxes_per_class, pairs.num_objects, self.later_nms_threshold)
        return logits, labels
