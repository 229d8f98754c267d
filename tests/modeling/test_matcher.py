"""Matching, against its rule in plain Python."""

import pytest
import torch

from maskrcnn_benchmark.modeling.matcher import BELOW, BETWEEN, match_boxes


def by_rule(iou, high, low, keep_best):
    rows, columns = iou.shape
    matched = []
    for j in range(columns):
        best = max(range(rows), key=lambda i: (iou[i, j].item(), -i))
        value = iou[best, j].item()
        kept = keep_best and any(iou[i, j] == iou[i].max() > 0 for i in range(rows))
        matched.append(best if value >= high or kept else BELOW if value < low else BETWEEN)
    return matched


@pytest.mark.parametrize("keep_best", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_matching_follows_the_rule(seed, keep_best):
    # Steps of an eighth: ties, and values on both thresholds.
    iou = torch.randint(0, 9, (4, 30), generator=torch.Generator().manual_seed(seed)).float() / 8
    assert match_boxes(iou, high=0.75, low=0.25, keep_best=keep_best).tolist() == by_rule(iou, 0.75, 0.25, keep_best)


def test_a_box_that_nothing_overlaps_has_no_best():
    assert match_boxes(torch.zeros(1, 5), high=0.7, low=0.3, keep_best=True).tolist() == [BELOW] * 5


def test_ties_for_the_best_all_match_and_stand_for_their_own_best_box():
    iou = torch.tensor([[0.2, 0.2, 0.1], [0.0, 0.25, 0.1]])
    assert match_boxes(iou, high=0.7, low=0.3, keep_best=True).tolist() == [0, 1, BELOW]


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
def test_nothing_to_match_is_legal(shape):
    assert match_boxes(torch.zeros(shape), high=0.5, low=0.3, keep_best=True).tolist() == [BELOW] * shape[1]


def test_crossed_thresholds_are_an_error_with_both_values():
    with pytest.raises(ValueError, match=r"0\.8.*0\.5"):
        match_boxes(torch.zeros(1, 1), high=0.5, low=0.8)
