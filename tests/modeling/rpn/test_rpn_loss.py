"""The RPN's labels and losses, against loops in float64."""

import math

import pytest
import torch

from maskrcnn_benchmark.modeling.balanced_sampler import BalancedSampler
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.rpn.anchors import AnchorGenerator
from maskrcnn_benchmark.modeling.rpn.loss import RPNLoss
from maskrcnn_benchmark.structures.bounding_box import BoxList

from .test_proposals import iou

SIZE = (64, 48)
GENERATOR = AnchorGenerator(sizes=[(16,), (32,)], strides=(8, 16), ratios=(0.5, 1.0, 2.0))
ANCHORS = torch.cat(GENERATOR([(6, 8), (3, 4)]))


def loss(size=10_000, fraction=1.0):
    return RPNLoss(coder=BoxCoder((1, 1, 1, 1)), sampler=BalancedSampler(size, fraction), high=0.7, low=0.3)


def target(*boxes):
    return BoxList([list(map(float, box)) for box in boxes], SIZE)


TARGETS = [target((2, 3, 20, 30), (30, 10, 60, 44)), target((5, 5, 12, 12))]


def labelled_plainly(anchors, boxes):
    """1, 0 or -1, and the best box, of each anchor."""
    table = [[iou(box, anchor) for box in boxes] for anchor in anchors]
    best_of_box = [max(row[j] for row in table) for j in range(len(boxes))]
    labels = []
    for anchor, row in zip(anchors, table, strict=True):
        best = max(row)
        positive = best >= 0.7 or any(abs(row[j] - best_of_box[j]) < 1e-6 for j in range(len(boxes)))
        label = 1 if positive else 0 if best < 0.3 else -1
        inside = anchor[0] >= 0 and anchor[1] >= 0 and anchor[2] < SIZE[0] and anchor[3] < SIZE[1]
        labels.append((label if inside else -1, row.index(best)))
    return labels


@pytest.mark.parametrize("annotated", TARGETS)
def test_labels_follow_the_rules(annotated):
    labels, boxes = loss().label_anchors(ANCHORS, GENERATOR.inside(ANCHORS, SIZE), annotated)
    expected = labelled_plainly(ANCHORS.tolist(), annotated.bbox.tolist())
    assert labels.tolist() == [label for label, _ in expected]
    assert set(labels.tolist()) == {-1, 0, 1}
    for row in (labels == 1).nonzero().flatten().tolist():
        assert boxes[row].tolist() == annotated.bbox[expected[row][1]].tolist()


def test_losses_are_sums_over_the_sampled_anchors_of_the_batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, len(ANCHORS), generator=generator)
    offsets = torch.randn(2, len(ANCHORS), 4, generator=generator) * 0.2
    inside = [GENERATOR.inside(ANCHORS, SIZE)] * 2
    found = loss()(ANCHORS, inside, logits, offsets, TARGETS)
    entropy, error, count = 0.0, 0.0, 0
    for image, annotated in enumerate(TARGETS):
        for i, (label, best) in enumerate(labelled_plainly(ANCHORS.tolist(), annotated.bbox.tolist())):
            if label < 0:
                continue
            probability = 1 / (1 + math.exp(-float(logits[image, i])))
            entropy -= math.log(probability if label else 1 - probability)
            count += 1
            if label == 1:
                goal = BoxCoder((1, 1, 1, 1)).encode(
                    annotated.bbox[best : best + 1].double(), ANCHORS[i : i + 1].double()
                )[0]
                for difference in (offsets[image, i].double() - goal).abs().tolist():
                    error += 4.5 * difference**2 if difference < 1 / 9 else difference - 1 / 18
    assert float(found["loss_objectness"]) == pytest.approx(entropy / count, rel=1e-5)
    assert float(found["loss_rpn_box_reg"]) == pytest.approx(error / count, rel=1e-5)


def test_an_image_without_a_box_has_negatives_alone():
    logits = torch.zeros(1, len(ANCHORS))
    found = loss(size=8)(
        ANCHORS, [GENERATOR.inside(ANCHORS, SIZE)], logits, torch.zeros(1, len(ANCHORS), 4), [target()]
    )
    assert float(found["loss_objectness"]) == pytest.approx(math.log(2)) and float(found["loss_rpn_box_reg"]) == 0


def test_no_anchor_inside_is_legal():
    outside = [torch.zeros(len(ANCHORS), dtype=torch.bool)]
    found = loss()(ANCHORS, outside, torch.zeros(1, len(ANCHORS)), torch.zeros(1, len(ANCHORS), 4), TARGETS[:1])
    assert float(found["loss_objectness"]) == 0 == float(found["loss_rpn_box_reg"])
