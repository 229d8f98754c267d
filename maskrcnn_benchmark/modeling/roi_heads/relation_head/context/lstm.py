"""The context of Neural Motifs (Zellers et al., CVPR 2018): LSTMs over the boxes of an image, from right to left."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import Context, ContextEncoder, position_numbers
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import (
    best_foreground,
    greedy_foreground,
    label_vectors,
    position_embedding,
)
from maskrcnn_benchmark.structures.relation import PairBatch


def right_to_left(pairs: PairBatch) -> tuple[Tensor, Tensor]:
    """The order in which an image's boxes are read: by descending centre x.

    Returns:
        index (B, T) rows of the batch-wide list of entities, padded with 0; lengths (B,) on the CPU.
    """
    centres = pairs.boxes[:, 0] + pairs.boxes[:, 2]
    rows = torch.arange(len(centres), device=centres.device)
    ordered = [
        image_rows[image_centres.argsort(descending=True, stable=True)]
        for image_rows, image_centres in zip(
            rows.split(pairs.num_objects), centres.split(pairs.num_objects), strict=True
        )
        if len(image_rows)
    ]
    return nn.utils.rnn.pad_sequence(ordered, batch_first=True), torch.tensor([len(r) for r in ordered])


def run_lstm(lstm: nn.LSTM, inputs: Tensor, index: Tensor, lengths: Tensor) -> Tensor:
    """
    A batch-first bidirectional LSTM over every image's boxes in the given order. inputs (N, F) -> (N, 2H), rows as they
    came.
    """
    packed = pack_padded_sequence(inputs[index], lengths, batch_first=True, enforce_sorted=False)
    padded, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=index.size(1))
    valid = torch.arange(index.size(1)) < lengths.unsqueeze(1)
    outputs = padded.new_zeros(len(inputs), padded.size(2))
    return outputs.index_copy(0, index[valid.to(index.device)], padded[valid.to(index.device)])


class LabelDecoder(nn.Module):
    """A highway LSTM that labels an image's boxes one after another, each told the label before.

    Every image of the batch takes its step at once: only the boxes of an image follow one another.

    Args:
        words: (O + 1, E) table of word vectors, row 0 the start token, class c at row c + 1.
        in_channels: width of [a; c]; dropout: rate on the state, one mask per image and call.
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
        carry = torch.sigmoid(r)
        return carry * torch.sigmoid(o) * torch.tanh(memory) + (1 - carry) * highway, memory

    def forward(self, inputs: Tensor, index: Tensor, lengths: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """
        Args:
            inputs: (N, I). index (B, T), lengths (B,): the order of `right_to_left`.
            labels: (N,) true labels to tell in training (a background box tells its own best class), or None.
        Returns:
            logits (N, O); labels (N,) as they were told.
        """
        num_images, steps = index.shape
        state, memory = inputs.new_zeros(num_images, self.hidden), inputs.new_zeros(num_images, self.hidden)
        mask = self.dropout(torch.ones_like(state))
        told = self.obj_embed.weight[:1].expand(num_images, -1)
        all_logits, all_labels = [], []
        for t in range(steps):
            state, memory = self.step(torch.cat([inputs[index[:, t]], told], 1), state, memory)
            state = state * mask
            logits = self.out_obj(state)
            best = best_foreground(logits.detach())
            if labels is not None:
                true = labels[index[:, t]].long()
                best = torch.where(true > 0, true, best)
            told = self.obj_embed(best + 1)
            all_logits.append(logits)
            all_labels.append(best)
        valid = (torch.arange(steps) < lengths.unsqueeze(1)).to(index.device)
        rows = index[valid]
        logits = torch.stack(all_logits, 1)[valid]
        return (
            logits.new_zeros(len(inputs), logits.size(1)).index_copy(0, rows, logits),
            index.new_zeros(len(inputs)).index_copy(0, rows, torch.stack(all_labels, 1)[valid]),
        )


class LSTMContext(ContextEncoder):
    """
    Object context, label decoder and edge context of Neural Motifs.

    Args:
        object_words: (O, E) table of word vectors; decoder_words: (O + 1, E) the decoder's.
        object_layers, edge_layers: layers of the two LSTMs; later_nms_threshold: IoU of the greedy label assignment
            (SGDet, test).
        keep_averages: keep `untreated_*` for causal effects.
    """

    def __init__(
        self,
        *,
        task: Task,
        in_channels: int,
        object_words: nn.Embedding,
        decoder_words: nn.Embedding,
        hidden: int,
        object_layers: int,
        edge_layers: int,
        dropout: float,
        later_nms_threshold: float,
        keep_averages: bool,
    ):
        super().__init__(task=task, object_words=object_words, hidden=hidden)
        self.later_nms_threshold = later_nms_threshold
        entity = in_channels + self.embed_dim + 128
        if keep_averages:
            self.keep_recurrent_averages(entity, in_channels)
        self.pos_embed = position_embedding()
        self.obj_ctx_rnn = nn.LSTM(
            entity,
            hidden,
            object_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if object_layers > 1 else 0.0,
        )
        self.decoder_rnn = LabelDecoder(
            words=decoder_words, in_channels=entity + hidden, hidden=hidden, dropout=dropout
        )
        self.edge_ctx_rnn = nn.LSTM(
            self.embed_dim + in_channels + hidden,
            hidden,
            edge_layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if edge_layers > 1 else 0.0,
        )
        self.lin_obj_h = nn.Linear(2 * hidden, hidden)
        self.lin_edge_h = nn.Linear(2 * hidden, hidden)

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> LSTMContext:
        threshold = cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES
        return cls(**cls.recurrent_arguments(cfg, meta, in_channels), later_nms_threshold=threshold)

    def forward(self, pairs: PairBatch) -> Context:
        """Uses boxes, image_sizes, roi_features (N, F), labels or logits, in SGDet at test boxes_per_class."""
        if not len(pairs.boxes):
            return self.empty(pairs)
        positions = self.pos_embed(position_numbers(pairs))
        entities = torch.cat([pairs.roi_features, label_vectors(self.obj_embed1, pairs, self.task), positions], 1)
        self.track("obj_feat", entities)
        index, lengths = right_to_left(pairs)
        context = self.lin_obj_h(run_lstm(self.obj_ctx_rnn, entities, index, lengths))
        decoder_input = torch.cat([entities, context], 1)
        self.track("dcd_feat", decoder_input)
        logits, labels = self.decode(pairs, decoder_input, index, lengths)
        edge_input = torch.cat([self.obj_embed2(labels), pairs.roi_features], 1)
        self.track("edg_feat", edge_input)
        return Context(logits, labels, self.edge(edge_input, context, index, lengths), context)

    def counterfactual(self, pairs: PairBatch, factual: Context) -> Context:
        """
        The second pass of a causal effect: average inputs to decoder and edge context, the object context as it is.
        """
        if not len(pairs.boxes):
            return factual
        index, lengths = right_to_left(pairs)
        num = len(pairs.boxes)
        logits, labels = self.decode(pairs, self.untreated_dcd_feat.expand(num, -1), index, lengths)
        edge = self.edge(self.untreated_edg_feat.expand(num, -1), factual.object_context, index, lengths)
        return Context(logits, labels, edge, factual.object_context)

    def edge(self, edge_input: Tensor, context: Tensor, index: Tensor, lengths: Tensor) -> Tensor:
        """edge_input (N, E + F), object context (N, H) -> edge context (N, H)."""
        return self.lin_edge_h(run_lstm(self.edge_ctx_rnn, torch.cat([edge_input, context], 1), index, lengths))

    def decode(self, pairs: PairBatch, decoder_input: Tensor, index: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Entity logits (N, O) and the labels (N,) behind edge context and frequency bias."""
        if self.task.uses_gt_labels:
            return self.given_labels(pairs)
        logits, labels = self.decoder_rnn(decoder_input, index, lengths, pairs.object_labels if self.training else None)
        if not self.training and not self.task.uses_gt_boxes:
            labels = greedy_foreground(logits, pairs.boxes_per_class, pairs.num_objects, self.later_nms_threshold)
        return logits, labels
