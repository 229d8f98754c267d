"""Iterative message passing between entities and pairs (Xu et al., CVPR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.modeling.backbone.conv import linear


class MessagePassing(nn.Module):
    """Three rounds of gated messages between entity states and pair states, both updated by a GRU cell.

    Args:
        in_channels: F, width of the entity features; edge_channels: D, width of the pair features.
        hidden: width of both states; 512 in the published model, as are the three rounds.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        edge_channels: int,
        num_classes: int,
        num_predicates: int,
        hidden: int = 512,
        rounds: int = 3,
    ):
        super().__init__()
        self.rounds = rounds
        self.rel_fc = linear(hidden, num_predicates)
        self.obj_fc = linear(hidden, num_classes)
        self.obj_unary = linear(in_channels, hidden)
        self.edge_unary = linear(edge_channels, hidden)
        self.edge_gru = nn.GRUCell(hidden, hidden)
        self.node_gru = nn.GRUCell(hidden, hidden)
        self.sub_vert_w_fc = nn.Sequential(nn.Linear(2 * hidden, 1), nn.Sigmoid())
        self.obj_vert_w_fc = nn.Sequential(nn.Linear(2 * hidden, 1), nn.Sigmoid())
        self.out_edge_w_fc = nn.Sequential(nn.Linear(2 * hidden, 1), nn.Sigmoid())
        self.in_edge_w_fc = nn.Sequential(nn.Linear(2 * hidden, 1), nn.Sigmoid())

    def forward(self, roi_features: Tensor, edge_features: Tensor, pair_index: Tensor) -> tuple[Tensor, Tensor]:
        """
        roi_features (N, F), edge_features (P, D), pair_index (P, 2) -> entity logits (N, O), relation logits (P, K).
        """
        subject, object_ = pair_index.unbind(1)
        node_input = self.obj_unary(roi_features)
        edge_input = F.relu(self.edge_unary(edge_features))
        node = self.node_gru(node_input, torch.zeros_like(node_input))
        edge = self.edge_gru(edge_input, torch.zeros_like(edge_input))
        for _ in range(self.rounds):
            at_subject, at_object = node[subject], node[object_]
            with_subject, with_object = torch.cat([at_subject, edge], 1), torch.cat([at_object, edge], 1)
            to_edge = self.sub_vert_w_fc(with_subject) * at_subject + self.obj_vert_w_fc(with_object) * at_object
            to_node = torch.zeros_like(node)
            to_node = to_node.index_add(0, subject, (self.out_edge_w_fc(with_subject) * edge).to(node.dtype))
            to_node = to_node.index_add(0, object_, (self.in_edge_w_fc(with_object) * edge).to(node.dtype))
            node, edge = self.node_gru(to_node, node), self.edge_gru(to_edge, edge)
        return self.obj_fc(node), self.rel_fc(edge)
