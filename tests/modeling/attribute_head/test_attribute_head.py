"""Attributes: targets, loss and head."""

import math

import pytest
import torch

from maskrcnn_benchmark.config import default_config
from maskrcnn_benchmark.modeling.roi_heads.attribute_head import ROIAttributeHead
from maskrcnn_benchmark.modeling.roi_heads.attribute_head.loss import AttributeLoss, attribute_targets
from maskrcnn_benchmark.structures.bounding_box import BoxList

IDS = torch.tensor([[3, 1, 0], [2, 0, 4], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])


def loss(**changes):
    settings = {"weight": 0.5, "max_attributes": 10, "binary": True, "pos_weight": 5.0, "sample": False, "ratio": 1}
    return AttributeLoss(**{**settings, **changes})


def logits(rows=6):
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(0))


def test_a_zero_ends_the_list_and_has_no_column():
    assert attribute_targets(IDS[:3], 6, torch.float32).tolist() == [[0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0], [0] * 6]


def test_an_id_without_a_column_is_an_error():
    with pytest.raises(IndexError, match="NUM_ATTRIBUTES is 3"):
        attribute_targets(IDS, 3, torch.float32)


def binary(rows):
    total = 0.0
    for row in rows:
        wanted = {3: 1, 1: 1} if row == 0 else {2: 1} if row == 1 else {}
        for column, value in enumerate(logits()[row].double().tolist()):
            probability = 1 / (1 + math.exp(-value))
            total -= 5 * math.log(probability) if column in wanted else math.log(1 - probability)
    return 0.5 * total / (len(rows) * 6)


def test_binary_loss_is_the_mean_over_boxes_and_columns():
    assert float(loss()(logits(), IDS)) == pytest.approx(binary(range(6)), rel=1e-5)


def test_sampling_takes_all_with_attributes_and_a_multiple_without():
    drawn = {
        round(float(loss(sample=True)(logits(), IDS, torch.Generator().manual_seed(seed))), 5) for seed in range(40)
    }
    pairs = [(a, b) for a in range(2, 6) for b in range(a + 1, 6)]
    assert drawn <= {round(binary([0, 1, a, b]), 5) for a, b in pairs} and len(drawn) > 3


def test_one_without_if_none_has_any():
    value = float(loss(sample=True)(logits(), IDS[2:].repeat(2, 1)[:6]))
    plain = [-0.5 * sum(math.log(1 - 1 / (1 + math.exp(-v))) for v in row) / 6 for row in logits().double().tolist()]
    assert min(abs(value - p) for p in plain) < 1e-5


def test_soft_cross_entropy_spreads_over_a_boxs_attributes():
    rows = logits().double().log_softmax(dim=1)
    expected = -((rows[0, 1] + rows[0, 3]) / 2 + rows[1, 2] + rows[2:, 0].sum()) / 6
    assert float(loss(binary=False)(logits(), IDS)) == pytest.approx(0.5 * float(expected), rel=1e-5)


def test_only_so_many_ids_of_a_box_are_read():
    torch.testing.assert_close(
        loss(max_attributes=1)(logits(), IDS), loss()(logits(), torch.where(torch.arange(3) < 1, IDS, 0))
    )


def test_no_box_is_legal():
    assert float(loss()(logits(0), IDS[:0])) == 0 == float(loss(sample=True)(logits(0), IDS[:0]))


def test_head_describes_boxes_in_evaluation():
    cfg = default_config()
    keys = {"ROI_BOX_HEAD.MLP_HEAD_DIM": 8, "ROI_BOX_HEAD.POOLER_RESOLUTION": 2, "ROI_ATTRIBUTE_HEAD.NUM_ATTRIBUTES": 6}
    cfg.merge_from_list([word for key, value in keys.items() for word in (f"MODEL.{key}", value)])
    head = ROIAttributeHead.from_config(cfg, 3)
    assert head.predictor.att_score.weight.shape == (6, 4)  # half of MLP_HEAD_DIM
    boxes = [BoxList([[0, 0, 20, 20]], (64, 64)), BoxList([], (64, 64))]
    described, losses = head.eval()([torch.randn(2, 3, 4, 4)], boxes)
    assert [tuple(b.get_field("attribute_logits").shape) for b in described] == [(1, 6), (0, 6)] and not losses
