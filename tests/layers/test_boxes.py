"""IoU tables and pair masks against loops in Python's floats."""

import math

import pytest
import torch

from maskrcnn_benchmark.layers import box_iou, pair_masks
from tests.layers.cases import DEVICES, both_forms, iou_of, random_boxes


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (1, 1), (17, 40)])
def test_iou_of_every_pair(device, n, m):
    a, b = random_boxes(n), random_boxes(m)
    want = torch.tensor([[iou_of(x, y) for y in b] for x in a]).reshape(n, m)
    torch.testing.assert_close(box_iou(a.to(device), b.to(device)).cpu(), want.float(), rtol=1e-5, atol=1e-6)


@both_forms
def test_iou_counts_both_border_pixels():
    iou = box_iou(torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([[0.0, 0, 9, 4], [9, 9, 18, 18], [10, 0, 19, 9]]))
    torch.testing.assert_close(iou, torch.tensor([[0.5, 1 / 199, 0.0]]))


@both_forms
def test_iou_keeps_the_dtype():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert box_iou(random_boxes(3).to(dtype), random_boxes(4).to(dtype)).dtype == dtype


def plain_masks(subjects, objects, sizes, resolution):
    masks = torch.zeros(len(subjects), 2, resolution, resolution)
    for p, (width, height) in enumerate(sizes.tolist()):
        for role, boxes in enumerate((subjects, objects)):
            x1, y1, x2, y2 = boxes[p].tolist()
            for y in range(resolution):
                for x in range(resolution):
                    inside_x = math.floor(x1 * resolution / width) <= x <= math.ceil(x2 * resolution / width)
                    inside_y = math.floor(y1 * resolution / height) <= y <= math.ceil(y2 * resolution / height)
                    masks[p, role, y, x] = inside_x and inside_y
    return masks


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("resolution", [27, 5])
@pytest.mark.parametrize("pairs", [0, 1, 9])
def test_masks_cover_floor_to_ceiling_of_the_whole_image(device, resolution, pairs):
    subjects, objects = random_boxes(pairs, side=60), random_boxes(pairs, side=60)
    sizes = torch.stack([torch.randint(80, 130, (pairs,)), torch.randint(80, 130, (pairs,))], dim=1)
    have = pair_masks(subjects.to(device), objects.to(device), sizes.to(device), resolution)
    assert torch.equal(have.cpu(), plain_masks(subjects, objects, sizes, resolution))


@both_forms
def test_a_whole_image_and_a_point():
    whole, point = torch.tensor([[0.0, 0, 99, 49]]), torch.tensor([[50.0, 25, 50, 25]])
    masks = pair_masks(whole, point, torch.tensor([[100, 50]]), 10)
    assert masks[0, 0].all()
    assert masks[0, 1].nonzero().tolist() == [[5, 5]]


def test_both_forms_round_alike():
    """Cell borders fall on exact multiples here, where the last bit of a product decides."""
    corner = torch.arange(0, 400.0)
    boxes = torch.stack([corner, corner * 0.7, corner + 13, corner * 0.7 + 29], dim=1)
    sizes = torch.stack([torch.arange(400) + 414, torch.arange(400) + 310], dim=1)
    from maskrcnn_benchmark.layers.boxes import _pair_masks_reference

    assert torch.equal(pair_masks(boxes, boxes.flip(0), sizes), _pair_masks_reference(boxes, boxes.flip(0), sizes, 27))


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"boxes_b must be floating-point \(n, 4\) xyxy, got \(4,\)"):
        box_iou(torch.zeros(1, 4), torch.zeros(4))
    with pytest.raises(ValueError, match="object_boxes must have 2 rows, got 3"):
        pair_masks(torch.zeros(2, 4), torch.zeros(3, 4), torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"image_sizes must be \(2, 2\)"):
        pair_masks(torch.zeros(2, 4), torch.zeros(2, 4), torch.ones(1, 2))
    with pytest.raises(ValueError, match="resolution must be positive, got 0"):
        pair_masks(torch.zeros(2, 4), torch.zeros(2, 4), torch.ones(2, 2), 0)
