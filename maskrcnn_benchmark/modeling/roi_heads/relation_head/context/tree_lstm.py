"""
Highway LSTMs along binary trees, both ways, and the label decoder on them (VCTree, CVPR 2019). A batch goes level by
level.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.trees import Forest
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground


def _orthonormal_blocks(layer: nn.Linear, block: int) -> None:
    """Fills the weight so that each block of rows (one gate) is orthonormal; biases 0."""
    for rows in layer.weight.detach().split(block):
        nn.init.orthogonal_(rows)
    nn.init.zeros_(layer.bias)


def _dropout_mask(dropout: nn.Dropout, forest: Forest, like: Tensor) -> Tensor:
    """What a node's state is multiplied with: drawn once per image and call, (N, H)."""
    num_images = int(forest.images[-1]) + 1 if len(forest.images) else 0
    return dropout(torch.ones(num_images, like.size(1), device=like.device, dtype=like.dtype))[forest.images]


def _padded(rows: Tensor) -> Tensor:
    """(N, H) -> (N + 1, H): row N is what an absent child or parent holds."""
    return torch.cat([rows, rows.new_zeros(1, rows.size(1))])


class UpwardCell(nn.Module):
    """From the leaves to the root: a node's state from its input and its two children's."""

    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.hidden = hidden
        self.dropout = nn.Dropout(dropout)
        self.px = nn.Linear(in_channels, hidden)
        self.ioffux = nn.Linear(in_channels, 6 * hidden)
        self.ioffuh_left = nn.Linear(hidden, 6 * hidden)
        self.ioffuh_right = nn.Linear(hidden, 6 * hidden)
        for layer in (self.px, self.ioffux, self.ioffuh_left, self.ioffuh_right):
            _orthonormal_blocks(layer, hidden)
        with torch.no_grad():  # the two forget gates start half open from either side
            for layer in (self.ioffuh_left, self.ioffuh_right):
                layer.bias[2 * hidden : 4 * hidden] = 0.5

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        """inputs (N, I) -> states (N, H)."""
        from_input, projected = self.ioffux(inputs), self.px(inputs)
        states, memories = (_padded(torch.zeros_like(projected)) for _ in range(2))
        mask = _dropout_mask(self.dropout, forest, projected)
        for rows in forest.by_height:
            left, right = forest.children[rows].unbind(1)
            gates = from_input[rows] + self.ioffuh_left(states[left]) + self.ioffuh_right(states[right])
            i, o, f_left, f_right, u, r = gates.chunk(6, 1)
            memory = torch.sigmoid(i) * torch.tanh(u)
            memory = memory + torch.sigmoid(f_left) * memories[left] + torch.sigmoid(f_right) * memories[right]
            carry = torch.sigmoid(r)
            state = carry * torch.sigmoid(o) * torch.tanh(memory) + (1 - carry) * projected[rows]
            states = states.index_copy(0, rows, (state * mask[rows]).to(states.dtype))
            memories = memories.index_copy(0, rows, memory.to(memories.dtype))
        return states[:-1]


class DownwardCell(nn.Module):
    """From the root to the leaves: a node's state from its input and its parent's."""

    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.hidden = hidden
        self.dropout = nn.Dropout(dropout)
        self.px = nn.Linear(in_channels, hidden)
        self.iofux = nn.Linear(in_channels, 5 * hidden)
        self.iofuh = nn.Linear(hidden, 5 * hidden)
        for layer in (self.px, self.iofux, self.iofuh):
            _orthonormal_blocks(layer, hidden)
        with torch.no_grad():  # the forget gate starts open
            self.iofuh.bias[2 * hidden : 3 * hidden] = 1.0

    def step(self, from_input: Tensor, projected: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """
        Gate inputs (n, 5H) and projections (n, H) of one level, its parents' states and memories -> the level's, before
        dropout.
        """
        i, o, f, u, r = (from_input + self.iofuh(state)).chunk(5, 1)
        memory = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f) * memory
        carry = torch.sigmoid(r)
        return carry * torch.sigmoid(o) * torch.tanh(memory) + (1 - carry) * projected, memory

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        """inputs (N, I) -> states (N, H)."""
        from_input, projected = self.iofux(inputs), self.px(inputs)
        states, memories = (_padded(torch.zeros_like(projected)) for _ in range(2))
        mask = _dropout_mask(self.dropout, forest, projected)
        for rows in forest.by_depth:
            above = forest.parents[rows]
            state, memory = self.step(from_input[rows], projected[rows], states[above], memories[above])
            states = states.index_copy(0, rows, (state * mask[rows]).to(states.dtype))
            memories = memories.index_copy(0, rows, memory.to(memories.dtype))
        return states[:-1]


class _Direction(nn.Module):
    """Keeps the published level in the parameter names."""

    def __init__(self, cell: nn.Module):
        super().__init__()
        self.treeLSTM = cell


class _BidirectionalLayer(nn.Module):
    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.treeLSTM_foreward = _Direction(UpwardCell(in_channels, hidden // 2, dropout))  # published spelling
        self.treeLSTM_backward = _Direction(DownwardCell(in_channels, hidden // 2, dropout))

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        return torch.cat(
            [self.treeLSTM_foreward.treeLSTM(inputs, forest), self.treeLSTM_backward.treeLSTM(inputs, forest)], 1
        )


class TreeLSTM(nn.Module):
    """Layers of upward and downward LSTMs side by side: (N, I) -> (N, hidden)."""

    def __init__(self, in_channels: int, hidden: int, num_layers: int, dropout: float):
        super().__init__()
        dropout = dropout if num_layers > 1 else 0.0
        self.multi_layer_lstm = nn.ModuleList(
            _BidirectionalLayer(in_channels if i == 0 else hidden, hidden, dropout) for i in range(num_layers)
        )

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        for layer in self.multi_layer_lstm:
            inputs = layer(inputs, forest)
        return inputs


class _DecoderCell(DownwardCell):
    """A downward cell that knows the label embedding and the output layer under their published names."""

    def __init__(self, in_channels: int, hidden: int, dropout: float, embed: nn.Embedding, out: nn.Linear):
        super().__init__(in_channels, hidden, dropout)
        self.embed_layer, self.embed_out_layer = embed, out


class TreeDecoder(nn.Module):
    """
    Labels the nodes from the root down, each from its parent's label.

    Args:
        words: (O + 1, E) table of word vectors, row 0 the start token, class c at row c + 1; in_channels: width of [a;
            c].
    """

    def __init__(self, *, words: nn.Embedding, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.obj_embed = words
        self.out = nn.Linear(hidden, words.num_embeddings - 1)
        self.decoderLSTM = _DecoderCell(in_channels + words.embedding_dim, hidden, dropout, self.obj_embed, self.out)

    def forward(self, inputs: Tensor, forest: Forest) -> tuple[Tensor, Tensor]:
        """
        In training the label passed to the children is drawn from the softmax without background, at test it is the
        best one.

        Args:
            inputs: (N, I).
        Returns:
            logits (N, O); labels (N,), each node's own best.
        """
        cell = self.decoderLSTM
        width = inputs.size(1)
        from_input = F.linear(inputs, cell.iofux.weight[:, :width], cell.iofux.bias)
        projected = F.linear(inputs, cell.px.weight[:, :width], cell.px.bias)
        states, memories = (_padded(torch.zeros_like(projected)) for _ in range(2))
        logits = projected.new_zeros(len(inputs), self.out.out_features)
        labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        passed = torch.zeros(
            len(inputs) + 1, dtype=torch.long, device=inputs.device
        )  # row of obj_embed; a root's parent: the start token
        mask = _dropout_mask(cell.dropout, forest, projected)
        for rows in forest.by_depth:
            above = forest.parents[rows]
            word = self.obj_embed(passed[above])
            gates = from_input[rows] + F.linear(word, cell.iofux.weight[:, width:])
            highway = projected[rows] + F.linear(word, cell.px.weight[:, width:])
            state, memory = cell.step(gates, highway, states[above], memories[above])
            state = state * mask[rows]
            level_logits = self.out(state)
            states = states.index_copy(0, rows, state.to(states.dtype))
            memories = memories.index_copy(0, rows, memory.to(memories.dtype))
            logits = logits.index_copy(0, rows, level_logits.to(logits.dtype))
            labels[rows] = best_foreground(level_logits.detach())
            passed[rows] = self._passed_on(level_logits.detach()) + 1
        return logits, labels

    def _passed_on(self, logits: Tensor) -> Tensor:
        """(n, O) -> (n,) the label that a node hands to its children."""
        if not self.training:
            return best_foreground(logits)
        return torch.multinomial(F.softmax(logits[:, 1:].float(), dim=1), 1).squeeze(1) + 1
