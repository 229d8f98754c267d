"""Where subject and object of a pair lie, as numbers that a small network can draw thresholds in."""

import torch
from torch import Tensor

from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import box_positions, entity_sizes
from maskrcnn_benchmark.structures.relation import PairBatch

# Angular frequencies of the sines and cosines of each number, in radians by quarters of an image side.
FREQUENCIES = (0.75, 1.5, 3.0, 6.0)
_NUMBERS = 29
LAYOUT_DIM = _NUMBERS * (1 + 2 * len(FREQUENCIES))


def pair_layout(pairs: PairBatch) -> Tensor:
    """
    The layout of each pair: of either box its nine positions (`box_positions`); the distance of the centres d in mean extents, as
    d / (1 + |d|), and ln of the extents' ratio, either along x and y; object's minus subject's corners by the union's extent; the shares of
    subject, object and union that both cover. Each number x stands beside sines and cosines of it: what depends on a margin of a few
    percent is then learned in hundreds of updates, not thousands (Tancik et al., Fourier features, NeurIPS 2020).

    Args:
        pairs: boxes (N, 4), image_sizes, num_objects, pair_index (P, 2) are used.
    Returns:
        (P, LAYOUT_DIM).
    """
    positions = box_positions(pairs.boxes, entity_sizes(pairs.image_sizes, pairs.num_objects, pairs.boxes))
    subject, object_ = pairs.pair_index.unbind(1)
    x = torch.cat([positions[subject], positions[object_], _relative(pairs.boxes[subject], pairs.boxes[object_])], dim=1)
    x = 4.0 * (x - 0.3)  # most numbers lie between 0 and 1, around 0.3
    return torch.cat([x, *(wave(frequency * x) for frequency in FREQUENCIES for wave in (torch.sin, torch.cos))], dim=1)


def _relative(a: Tensor, b: Tensor) -> Tensor:
    """(P, 4), (P, 4) -> (P, 11)."""
    extent_a, extent_b = a[:, 2:] - a[:, :2] + 1.0, b[:, 2:] - b[:, :2] + 1.0
    distance = (b[:, :2] - a[:, :2] + 0.5 * (extent_b - extent_a)) / (0.5 * (extent_a + extent_b))
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2]) + 1.0).clamp(min=0.0).prod(dim=1, keepdim=True)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2]) + 1.0
    area_a, area_b = extent_a.prod(dim=1, keepdim=True), extent_b.prod(dim=1, keepdim=True)
    shares = [shared / area for area in (area_a, area_b, area_a + area_b - shared)]
    return torch.cat([distance / (1.0 + distance.abs()), (extent_b / extent_a).log(), (b - a) / around.repeat(1, 2), *shares], dim=1)
