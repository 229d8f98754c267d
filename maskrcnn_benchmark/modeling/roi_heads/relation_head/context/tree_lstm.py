"""Highway LSTMs along binary trees, both ways, and the label decoder on them (VCTree, CVPR 2019), level by level."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import highway_state
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.trees import Forest
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground


def _orthonormal_blocks(layer: nn.Linear, block: int) -> None:
    """Fills the weight so that each block of rows (one gate) is orthonormal; biases 0."""
    for rows in layer.weight.detach().split(block):
        nn.init.orthogonal_(rows)
    nn.init.zeros_(layer.bias)


class _Nodes:
    """
    States and memories (N + 1, H) of a forest's nodes, filled level by level; row N, zeros, is an absent child or
    parent. A state passes through a dropout mask, drawn once per image.
    """

    def __init__(self, like: Tensor, forest: Forest, dropout: nn.Dropout):
        self.states = self.memories = like.new_zeros(len(like) + 1, like.size(1))
        num_images = int(forest.images[-1]) + 1 if len(forest.images) else 0
        self.mask = dropout(like.new_ones(num_images, like.size(1)))[forest.images]

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.states[rows], self.memories[rows]

    def fill(self, rows: Tensor, state: Tensor, memory: Tensor) -> Tensor:
        """Sets a level, and returns its states after dropout."""
        state = state * self.mask[rows]
        self.states = self.states.index_copy(0, rows, state.to(self.states.dtype))
        self.memories = self.memories.index_copy(0, rows, memory.to(self.memories.dtype))
        return state


class UpwardCell(nn.Module):
    """From the leaves to the root: a node's state from its input and its two children's."""

    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
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
        nodes = _Nodes(projected, forest, self.dropout)
        for rows in forest.by_height:
            (left, left_memory), (right, right_memory) = (nodes[side] for side in forest.children[rows].unbind(1))
            gates = from_input[rows] + self.ioffuh_left(left) + self.ioffuh_right(right)
            i, o, f_left, f_right, u, r = gates.chunk(6, 1)
            memory = torch.sigmoid(i) * torch.tanh(u)
            memory = memory + torch.sigmoid(f_left) * left_memory + torch.sigmoid(f_right) * right_memory
            nodes.fill(rows, highway_state(o, r, memory, projected[rows]), memory)
        return nodes.states[:-1]


class DownwardCell(nn.Module):
    """From the root to the leaves: a node's state from its input and its parent's."""

    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.px = nn.Linear(in_channels, hidden)
        self.iofux = nn.Linear(in_channels, 5 * hidden)
        self.iofuh = nn.Linear(hidden, 5 * hidden)
        for layer in (self.px, self.iofux, self.iofuh):
            _orthonormal_blocks(layer, hidden)
        with torch.no_grad():  # the forget gate starts open
            self.iofuh.bias[2 * hidden : 3 * hidden] = 1.0

    def step(self, from_input: Tensor, projected: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Gates (n, 5H) and projections (n, H) of a level, its parents' states and memories -> its own, no dropout."""
        i, o, f, u, r = (from_input + self.iofuh(state)).chunk(5, 1)
        memory = torch.sigmoid(i) * torch.tanh(u) + torch.sigmoid(f) * memory
        return highway_state(o, r, memory, projected), memory

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        """inputs (N, I) -> states (N, H)."""
        from_input, projected = self.iofux(inputs), self.px(inputs)
        nodes = _Nodes(projected, forest, self.dropout)
        for rows in forest.by_depth:
            nodes.fill(rows, *self.step(from_input[rows], projected[rows], *nodes[forest.parents[rows]]))
        return nodes.states[:-1]


class _BidirectionalLayer(nn.Module):
    def __init__(self, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        # The published level in the parameter names, and the published spelling.
        self.treeLSTM_foreward = nn.ModuleDict({"treeLSTM": UpwardCell(in_channels, hidden // 2, dropout)})
        self.treeLSTM_backward = nn.ModuleDict({"treeLSTM": DownwardCell(in_channels, hidden // 2, dropout)})

    def forward(self, inputs: Tensor, forest: Forest) -> Tensor:
        directions = (self.treeLSTM_foreward, self.treeLSTM_backward)
        return torch.cat([direction["treeLSTM"](inputs, forest) for direction in directions], 1)


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


class TreeDecoder(nn.Module):
    """
    Labels the nodes from the root down, each from its parent's label.

    Args:
        words: (O + 1, E) table of word vectors, row 0 the start token, class c at row c + 1.
        in_channels: width of [a; c].
    """

    def __init__(self, *, words: nn.Embedding, in_channels: int, hidden: int, dropout: float):
        super().__init__()
        self.obj_embed = words
        self.out = nn.Linear(hidden, words.num_embeddings - 1)
        self.decoderLSTM = DownwardCell(in_channels + words.embedding_dim, hidden, dropout)
        # Published files have these two a second time.
        self.decoderLSTM.embed_layer, self.decoderLSTM.embed_out_layer = self.obj_embed, self.out

    def forward(self, inputs: Tensor, forest: Forest) -> tuple[Tensor, Tensor]:
        """
        (N, I) -> logits (N, O); labels (N,), each node's own best. In training children get a label drawn from the
        softmax without background.
        """
        cell, width = self.decoderLSTM, inputs.size(1)
        from_input = F.linear(inputs, cell.iofux.weight[:, :width], cell.iofux.bias)
        projected = F.linear(inputs, cell.px.weight[:, :width], cell.px.bias)
        nodes = _Nodes(projected, forest, cell.dropout)
        logits = projected.new_zeros(len(inputs), self.out.out_features)
        labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        passed = labels.new_zeros(len(inputs) + 1)  # rows of obj_embed; a root's parent passes the start token
        for rows in forest.by_depth:
            above = forest.parents[rows]
            word = self.obj_embed(passed[above])
            gates = from_input[rows] + F.linear(word, cell.iofux.weight[:, width:])
            highway = projected[rows] + F.linear(word, cell.px.weight[:, width:])
            level_logits = self.out(nodes.fill(rows, *cell.step(gates, highway, *nodes[above])))
            logits = logits.index_copy(0, rows, level_logits.to(logits.dtype))
            labels[rows] = best_foreground(level_logits.detach())
            passed[rows] = labels[rows] + 1
            if self.training:
                shares = level_logits.detach()[:, 1:].float().softmax(dim=1)
                passed[rows] = torch.multinomial(shares, 1).squeeze(1) + 2
        return logits, labels
