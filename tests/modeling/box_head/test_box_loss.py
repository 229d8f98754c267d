"""Labelled proposals and the box head's losses, against loops."""

import math

import pytest
import torch

from maskrcnn_benchmark.modeling.balanced_sampler import BalancedSampler
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.roi_heads.box_head.loss import BoxLoss, label_proposals
from maskrcnn_benchmark.structures.bounding_box import BoxList

SIZE, CODER = (100, 100), BoxCoder((10, 10, 5, 5))
# IoU with the first annotated box (0..9 squared): 1, 0.8, 0.5 (the threshold), 0.4, 0.2, 0; the last is the second box.
PROPOSALS = [[0, 0, 9, 9], [0, 0, 9, 7], [0, 0, 9, 4], [0, 0, 9, 3], [0, 0, 9, 1], [60, 60, 80, 80], [30, 30, 49, 49]]
EXPECTED = [4, 4, 4, -1, 0, 0, 2]


def annotated(with_attributes=False):
    target = BoxList([[0, 0, 9, 9], [30, 30, 49, 49]], SIZE)
    target.add_field("labels", torch.tensor([4, 2]))
    if with_attributes:
        target.add_field("attributes", torch.tensor([[5, 6, 0], [7, 0, 0]]))
    return target


def nothing():
    target = BoxList([], SIZE)
    target.add_field("labels", torch.zeros(0, dtype=torch.int64))
    target.add_field("attributes", torch.zeros(0, 3, dtype=torch.int64))
    return target


def loss(size=1000, fraction=1.0):
    return BoxLoss(coder=CODER, sampler=BalancedSampler(size, fraction), high=0.5, low=0.3)


def test_labels_follow_the_thresholds():
    labels, matched = label_proposals(BoxList(PROPOSALS, SIZE), annotated(), high=0.5, low=0.3)
    assert labels.tolist() == EXPECTED and matched[[0, 1, 2, 6]].tolist() == [0, 0, 0, 1]


def test_with_one_threshold_nothing_is_ignored():
    labels, _ = label_proposals(BoxList(PROPOSALS, SIZE), annotated(), high=0.5, low=0.5)
    assert labels.tolist() == [4, 4, 4, 0, 0, 0, 2]


def test_sampled_proposals_carry_label_offsets_and_attributes():
    sampled = loss().sample([BoxList(PROPOSALS, SIZE)], [annotated(with_attributes=True)])[0]
    assert sampled.get_field("labels").tolist() == [4, 4, 4, 2, 0, 0]  # positives first
    assert sampled.get_field("attributes").tolist() == [[5, 6, 0]] * 3 + [[7, 0, 0]] + [[0, 0, 0]] * 2
    goals = CODER.encode(torch.tensor([[0.0, 0, 9, 9]] * 3 + [[30, 30, 49, 49]]), sampled.bbox[:4])
    torch.testing.assert_close(sampled.get_field("regression_targets")[:4], goals)


def test_an_image_without_boxes_is_background():
    sampled = loss().sample([BoxList(PROPOSALS, SIZE)], [nothing()])[0]
    assert sampled.get_field("labels").tolist() == [0] * 7 and sampled.get_field("attributes").shape == (7, 3)


@pytest.mark.parametrize("regressions", [6, 2])
def test_losses_are_means_over_the_sampled_proposals(regressions):
    sampled = loss().sample([BoxList(PROPOSALS, SIZE), BoxList(PROPOSALS[:2], SIZE)], [annotated(), nothing()])
    labels = [label for boxes in sampled for label in boxes.get_field("labels").tolist()]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(labels), 6, generator=generator)
    offsets = torch.randn(len(labels), regressions, 4, generator=generator)
    entropy, error = 0.0, 0.0
    goals = torch.cat([boxes.get_field("regression_targets") for boxes in sampled])
    for row, label in enumerate(labels):
        values = logits[row].double().tolist()
        entropy += math.log(sum(math.exp(v) for v in values)) - values[label]
        if label > 0:
            for d in (offsets[row, label if regressions == 6 else 1] - goals[row]).double().abs().tolist():
                error += d * d / 2 if d < 1 else d - 0.5
    found = loss()(logits, offsets, sampled)
    assert float(found["loss_classifier"]) == pytest.approx(entropy / len(labels), rel=1e-5)
    assert float(found["loss_box_reg"]) == pytest.approx(error / len(labels), rel=1e-5)


def test_no_proposal_at_all_is_legal():
    sampled = loss().sample([BoxList([], SIZE)], [annotated()])
    found = loss()(torch.zeros(0, 6), torch.zeros(0, 6, 4), sampled)
    assert float(found["loss_classifier"]) == 0 == float(found["loss_box_reg"])
