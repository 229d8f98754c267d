"""Anchors to the pixel, as published weights expect them."""

import pytest
import torch

from maskrcnn_benchmark.config import default_config
from maskrcnn_benchmark.modeling.rpn.anchors import AnchorGenerator, cell_anchors
from maskrcnn_benchmark.utils.errors import UserError

RATIOS = (0.23232838, 0.63365731, 1.28478321, 3.15089189)


def config(*words):
    cfg = default_config()
    cfg.merge_from_list(list(words))
    return cfg


def test_p2_of_the_published_configuration():
    assert cell_anchors(4, (32,), RATIOS).tolist() == [
        [-30, -6, 33, 9],
        [-18, -10, 21, 13],
        [-14, -18, 17, 21],
        [-6, -22, 9, 25],
    ]


def test_the_original_nine_anchors_of_faster_r_cnn():
    # As py-faster-rcnn's generate_anchors prints them, 0-based: ratios outer, scales 8, 16, 32 inner.
    expected = [
        [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199], [-56, -56, 71, 71], [-120, -120, 135, 135],
        [-248, -248, 263, 263], [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
    ]  # fmt: skip
    assert cell_anchors(16, (128, 256, 512), (0.5, 1, 2)).tolist() == expected


def test_cells_go_row_by_row_with_their_anchors_innermost():
    generator = AnchorGenerator(sizes=[(8, 16)], strides=(8,), ratios=(1.0,))
    anchors = generator([(2, 3)])[0]
    cell = cell_anchors(8, (8, 16), (1.0,))
    expected = [cell + torch.tensor([8.0 * x, 8.0 * y] * 2) for y in range(2) for x in range(3)]
    torch.testing.assert_close(anchors, torch.cat(expected))


def test_inside_means_not_further_out_than_the_straddle():
    anchors = torch.tensor([[0.0, 0.0, 9.0, 9.0], [-1, 0, 5, 5], [0, 0, 10, 5], [0, 0, 5, 10], [0, 0, 10.5, 5]])
    for straddle, expected in {0: [1, 0, 0, 0, 0], 1: [1, 1, 1, 1, 1], -1: [1, 1, 1, 1, 1]}.items():
        generator = AnchorGenerator(sizes=[(8,)], strides=(8,), ratios=(1.0,), straddle=straddle)
        assert generator.inside(anchors, (10, 10)).tolist() == [bool(e) for e in expected], straddle


def test_a_single_map_takes_all_sizes():
    generator = AnchorGenerator.from_config(config("MODEL.RPN.ANCHOR_SIZES", (32, 64, 128)))
    assert generator.anchors_per_cell() == 9 and [len(level) for level in generator([(4, 5)])] == [180]


def test_a_pyramid_takes_one_size_a_level():
    words = ["MODEL.RPN.USE_FPN", True, "MODEL.RPN.ANCHOR_STRIDE", (4, 8, 16, 32, 64)]
    generator = AnchorGenerator.from_config(config(*words))
    assert generator.anchors_per_cell() == 3
    assert [name for name, _ in generator.named_buffers()] == [f"cell_anchors.{level}" for level in range(5)]
    with pytest.raises(UserError, match="5 levels, the backbone gives 1"):
        generator([(4, 4)])


@pytest.mark.parametrize(
    "words", [["MODEL.RPN.USE_FPN", True, "MODEL.RPN.ANCHOR_STRIDE", (4, 8)], ["MODEL.RPN.ANCHOR_STRIDE", (4, 8)]]
)
def test_strides_that_do_not_fit_are_an_error(words):
    with pytest.raises(UserError, match="ANCHOR_STRIDE"):
        AnchorGenerator.from_config(config(*words))
