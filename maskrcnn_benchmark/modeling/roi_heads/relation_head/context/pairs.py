"""What turns two entities into a pair: projections of their representations and union features, and their geometry."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import entity_sizes
from maskrcnn_benchmark.structures.boxlist_ops import union_boxes
from maskrcnn_benchmark.structures.relation import PairBatch


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
    """
    layer([subject[i]; object[j]]) of every pair, with the products taken once per entity. (N, H) in the subject's role,
    (N, H) in the object's, pair_index (P, 2) -> (P, layer.out_features).
    """
    width = subject.size(1)
    from_subject = F.linear(subject, layer.weight[:, :width])
    from_object = F.linear(object_, layer.weight[:, width:], layer.bias)
    return from_subject[pair_index[:, 0]] + from_object[pair_index[:, 1]]


# How many numbers of a pair's geometry the causal predictor scales its context with.
SPATIAL_NUMBERS = 32


def _eight(corners: Tensor, plus: Tensor | float) -> Tensor:
    """(P, 4) x1, y1, x2, y2 -> (P, 8): the corners, then cx, cy, w, h with w = x2 − x1 + plus and cx = x1 + w/2."""
    extent = corners[:, 2:] - corners[:, :2] + plus
    return torch.cat([corners, corners[:, :2] + 0.5 * extent, extent], 1)


def pair_spatial_numbers(pairs: PairBatch) -> Tensor:
    """
    Eight numbers each of subject, object, their union and their intersection (zeros if it is empty), over the image's
    longer side.

    As published, union and intersection get their +1 after the division by that side, so their extents are about 1 too
    large.

    Args:
        pairs: boxes (N, 4), image_sizes, pair_index (P, 2).
    Returns:
        (P, 32)
    """
    sizes = entity_sizes(pairs.image_sizes, pairs.num_objects, pairs.boxes)
    index = pairs.pair_index
    scale = sizes.max(1).values.clamp(min=100)[index[:, :1]]  # (P, 1)
    subject, object_ = pairs.boxes[index[:, 0]], pairs.boxes[index[:, 1]]
    union = union_boxes(subject, object_) / scale
    shared = torch.cat([torch.maximum(subject, object_)[:, :2], torch.minimum(subject, object_)[:, 2:]], 1) / scale
    empty = (shared[:, 2:] < shared[:, :2]).any(1, keepdim=True)
    intersection = _eight(shared, 1.0).masked_fill(empty, 0.0)
    entities = [_eight(boxes / scale, 1.0 / scale) for boxes in (subject, object_)]
    return torch.cat([*entities, _eight(union, 1.0), intersection], 1)
