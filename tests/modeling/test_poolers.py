"""Pooling from a pyramid, against one roi_align call a box."""

import math

import pytest
import torch
import torchvision

from maskrcnn_benchmark.modeling.poolers import Pooler, assign_levels

SCALES = (1 / 4, 1 / 8, 1 / 16, 1 / 32)


def pyramid(images: int = 2, channels: int = 3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(images, channels, 256 // s, 320 // s, generator=generator) for s in (4, 8, 16, 32)]


BOXES = [
    torch.tensor([[0.0, 0.0, 20.0, 30.0], [5.0, 5.0, 300.0, 250.0]]),
    torch.tensor([[10.0, 10.0, 140.0, 150.0], [1.0, 2.0, 3.0, 4.0]]),
]


def pooled_plainly(features, image, box, level):
    rois = torch.cat([torch.tensor([[float(image)]]), box[None]], dim=1)
    return torchvision.ops.roi_align(features[level], rois, 7, SCALES[level], 2, aligned=False)


def test_a_box_comes_from_the_level_of_its_size():
    features = pyramid()
    pooled = Pooler(7, SCALES, 2)(features, BOXES)
    row = 0
    for image, boxes in enumerate(BOXES):
        for box in boxes:
            side = math.sqrt(float((box[2] - box[0] + 1) * (box[3] - box[1] + 1)))
            level = min(max(math.floor(4 + math.log2(side / 224 + 1e-6)), 2), 5) - 2
            torch.testing.assert_close(
                pooled[row : row + 1], pooled_plainly(features, image, box, level), rtol=1e-4, atol=1e-5
            )
            row += 1


def test_level_changes_at_powers_of_two_of_224_with_the_plus_one_convention():
    sides = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 2000.0])
    boxes = torch.stack([torch.zeros(8), torch.zeros(8), sides - 1, sides - 1], dim=1)
    assert assign_levels(boxes, 2, 5).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_all_levels_are_pooled_side_by_side_and_reduced():
    features, pooler = pyramid(), Pooler(7, SCALES, 2, reduced=3)
    pooled = pooler(features, BOXES)
    box = BOXES[1][0]
    stacked = torch.cat([pooled_plainly(features, 1, box, level) for level in range(4)], dim=1)
    torch.testing.assert_close(pooled[2:3], pooler.reduce_channel(stacked), rtol=1e-4, atol=1e-4)
    assert {name: tuple(p.shape) for name, p in pooler.named_parameters()} == {
        "reduce_channel.0.weight": (3, 12, 3, 3),
        "reduce_channel.0.bias": (3,),
    }


def test_a_single_level_needs_no_reduction():
    pooler = Pooler(7, SCALES[:1], 2, reduced=3)
    assert not list(pooler.parameters()) and pooler(pyramid(), BOXES).shape == (4, 3, 7, 7)


@pytest.mark.parametrize("reduced", [None, 3])
def test_no_box_is_legal(reduced):
    empty = [torch.zeros(0, 4), torch.zeros(0, 4)]
    assert Pooler(7, SCALES, 2, reduced=reduced)(pyramid(), empty).shape == (0, 3, 7, 7)


def test_too_few_levels_are_an_error_with_both_counts():
    with pytest.raises(ValueError, match="2 feature maps for 4"):
        Pooler(7, SCALES, 2)(pyramid()[:2], BOXES)
