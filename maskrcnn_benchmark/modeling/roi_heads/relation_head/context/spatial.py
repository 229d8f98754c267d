"""The 32 numbers of a pair's geometry that the causal predictor scales its context with."""

from __future__ import annotations

import torch
from torch import Tensor

from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import entity_sizes
from maskrcnn_benchmark.structures.boxlist_ops import union_boxes
from maskrcnn_benchmark.structures.relation import PairBatch

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
    return torch.cat(
        [_eight(subject / scale, 1.0 / scale), _eight(object_ / scale, 1.0 / scale), _eight(union, 1.0), intersection],
        1,
    )
