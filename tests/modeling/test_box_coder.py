"""Boxes as offsets, against the formulas in plain Python."""

import math

import pytest
import torch

from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.structures.bounding_box import clip_boxes


def random_boxes(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * 300
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator, dtype=torch.float64) * 200], dim=1)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (10, 10, 5, 5)])
def test_offsets_are_centre_shift_over_size_and_log_of_growth(weights):
    boxes, references = random_boxes(6, 1), random_boxes(6, 2)
    offsets = BoxCoder(weights).encode(boxes, references)
    for offset, box, reference in zip(offsets.tolist(), boxes.tolist(), references.tolist(), strict=True):
        width, height = reference[2] - reference[0] + 1, reference[3] - reference[1] + 1
        new_width, new_height = box[2] - box[0] + 1, box[3] - box[1] + 1
        expected = [
            weights[0] * (box[0] + new_width / 2 - reference[0] - width / 2) / width,
            weights[1] * (box[1] + new_height / 2 - reference[1] - height / 2) / height,
            weights[2] * math.log(new_width / width),
            weights[3] * math.log(new_height / height),
        ]
        assert offset == pytest.approx(expected, abs=1e-12)


def test_decoding_what_was_encoded_gives_the_box_back():
    boxes, references, coder = random_boxes(50, 3), random_boxes(50, 4), BoxCoder((10, 10, 5, 5))
    torch.testing.assert_close(coder.decode(coder.encode(boxes, references)[:, None], references)[:, 0], boxes)


def test_no_offsets_leave_the_box():
    boxes = random_boxes(5)
    torch.testing.assert_close(
        BoxCoder((1, 1, 1, 1)).decode(torch.zeros(5, 3, 4), boxes), boxes[:, None].expand(5, 3, 4)
    )


def test_growth_is_limited_to_a_thousand_sixteenths():
    box = torch.tensor([[10.0, 10.0, 19.0, 19.0]])
    grown = BoxCoder((1, 1, 1, 1)).decode(torch.tensor([[[0.0, 0.0, 50.0, 50.0]]]), box)[0, 0]
    assert (grown[2:] - grown[:2] + 1).tolist() == pytest.approx([625.0, 625.0], rel=1e-5)


def test_half_precision_offsets_are_decoded_in_float32():
    assert (
        BoxCoder((1, 1, 1, 1)).decode(torch.zeros(2, 1, 4, dtype=torch.bfloat16), random_boxes(2).float()).dtype
        == torch.float32
    )


def test_no_box_is_legal():
    assert BoxCoder((1, 1, 1, 1)).decode(torch.zeros(0, 5, 4), torch.zeros(0, 4)).shape == (0, 5, 4)
    assert BoxCoder((1, 1, 1, 1)).encode(torch.zeros(0, 4), torch.zeros(0, 4)).shape == (0, 4)


def test_clipping_goes_to_the_last_pixel():
    clipped = clip_boxes(torch.tensor([[[-5.0, -6.0, 300.0, 400.0], [3.0, 4.0, 5.0, 6.0]]]), (100, 80))
    assert clipped.tolist() == [[[0, 0, 99, 79], [3, 4, 5, 6]]]
