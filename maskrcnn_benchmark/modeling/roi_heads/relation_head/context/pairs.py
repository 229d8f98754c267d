"""
What turns two entities into a pair: projections of their representations, taken once per entity, and of the union
features.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def xavier_linear(in_channels: int, out_channels: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer that starts Xavier normal, its bias at 0."""
    layer = nn.Linear(in_channels, out_channels, bias=bias)
    nn.init.xavier_normal_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def role_embedding(hidden: int, width: int) -> nn.Linear:
    """hidden -> 2 · width: an entity as subject (first half) and as object. Starts normal, std 10/√hidden, bias 0."""
    layer = nn.Linear(hidden, 2 * width)
    nn.init.normal_(layer.weight, std=10.0 / hidden**0.5)
    nn.init.zeros_(layer.bias)
    return layer


def union_projection(in_channels: int, pooling_dim: int) -> nn.Module:
    """Union features to the width of the pair context; nothing where the widths agree, so that published names hold."""
    return nn.Identity() if in_channels == pooling_dim else xavier_linear(in_channels, pooling_dim)


def pair_linear(layer: nn.Linear, subject: Tensor, object_: Tensor, pair_index: Tensor) -> Tensor:
    """layer([subject[i]; object[j]]) of every pair, with the products taken once per entity.

    Args:
        subject: (N, H) representations in the subject's role; object_: (N, H); pair_index: (P, 2).
    Returns:
        (P, layer.out_features)
    """
    width = subject.size(1)
    from_subject = F.linear(subject, layer.weight[:, :width])
    from_object = F.linear(object_, layer.weight[:, width:], layer.bias)
    return from_subject[pair_index[:, 0]] + from_object[pair_index[:, 1]]
