"""The layout of pairs: against the definition, number by number, and what it stands for."""

import math

import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.layout import FREQUENCIES, LAYOUT_DIM, pair_layout

from ..conftest import toy_pairs


def positions(box, width, height):
    x1, y1, x2, y2 = box
    w, h = x2 - x1 + 1, y2 - y1 + 1
    return [w / width, h / height, (x1 + w / 2) / width, (y1 + h / 2) / height, *_shared(box, width, height), w * h / (width * height)]


def _shared(box, width, height):
    return [box[0] / width, box[1] / height, box[2] / width, box[3] / height]


def numbers(a, b, width, height):
    """The 29 numbers of a pair of boxes, one after the other."""
    found = positions(a, width, height) + positions(b, width, height)
    extents = [(a[2] - a[0] + 1, b[2] - b[0] + 1), (a[3] - a[1] + 1, b[3] - b[1] + 1)]
    for axis, (one, other) in enumerate(extents):
        d = ((b[axis] + other / 2) - (a[axis] + one / 2)) / ((one + other) / 2)
        found.append(d / (1 + abs(d)))
    found += [math.log(other / one) for one, other in extents]
    union = [max(a[axis + 2], b[axis + 2]) - min(a[axis], b[axis]) + 1 for axis in (0, 1)]
    found += [(b[corner] - a[corner]) / union[corner % 2] for corner in range(4)]
    shared = math.prod(max(0.0, min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis]) + 1) for axis in (0, 1))
    one, other = (math.prod(extent[side] for extent in extents) for side in (0, 1))
    return [*found, shared / one, shared / other, shared / (one + other - shared)]


def test_it_is_what_its_definition_says():
    pairs = toy_pairs(18)
    image_of = [image for image, n in enumerate(pairs.num_objects) for _ in range(n)]
    expected = []
    for subject, other in pairs.pair_index.tolist():
        plain = numbers(pairs.boxes[subject].tolist(), pairs.boxes[other].tolist(), *pairs.image_sizes[image_of[subject]])
        centred = [4 * (x - 0.3) for x in plain]
        expected.append(centred + [wave(f * x) for f in FREQUENCIES for wave in (math.sin, math.cos) for x in centred])
    found = pair_layout(pairs)
    assert found.shape == (18, LAYOUT_DIM)
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=2e-5)


def test_pairs_whose_boxes_are_alike_or_a_single_pixel_are_finite():
    pairs = toy_pairs(7)
    pairs.boxes[1] = pairs.boxes[0]
    pairs.boxes[2, 2:] = pairs.boxes[2, :2]
    assert torch.isfinite(pair_layout(pairs)).all()
