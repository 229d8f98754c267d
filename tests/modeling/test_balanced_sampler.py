"""Drawing positives and negatives."""

import pytest
import torch

from maskrcnn_benchmark.modeling.balanced_sampler import BalancedSampler
from maskrcnn_benchmark.structures.bounding_box import BoxList


def target(image_id=None, epoch=None):
    boxes = BoxList(torch.zeros(0, 4), (10, 10))
    if image_id is not None:
        boxes.add_field("image_id", image_id)
    if epoch is not None:
        boxes.add_field("epoch", epoch)
    return boxes


LABELS = torch.tensor([1] * 50 + [0] * 300 + [-1] * 50 + [7] * 10)


@pytest.mark.parametrize(
    ("size", "fraction", "positives", "negatives"),
    [(64, 0.5, 32, 32), (256, 0.5, 60, 196), (1000, 0.5, 60, 300), (8, 0.0, 0, 8)],
)
def test_counts_fill_up_with_negatives(size, fraction, positives, negatives):
    ((positive, negative),) = BalancedSampler(size, fraction)([LABELS], [target()])
    assert (len(positive), len(negative)) == (positives, negatives)
    assert (LABELS[positive] > 0).all() and (LABELS[negative] == 0).all()
    assert len(positive.unique()) == positives and len(negative.unique()) == negatives


def test_no_candidate_is_legal():
    ((positive, negative),) = BalancedSampler(8, 0.5)([torch.zeros(0, dtype=torch.int64)], [target()])
    assert len(positive) == len(negative) == 0


def draw(sampler, *facts):
    return torch.cat(sampler([LABELS], [target(*facts)])[0]).tolist()


def test_a_draw_belongs_to_seed_epoch_image_and_stream():
    sampler = BalancedSampler(64, 0.5, seed=3, stream="rpn")
    first = draw(sampler, 11, 2)
    torch.manual_seed(99)
    draw(sampler, 12, 2)
    assert draw(sampler, 11, 2) == first
    others = [draw(sampler, 11, 3), draw(sampler, 12, 2), draw(BalancedSampler(64, 0.5, seed=4, stream="rpn"), 11, 2)]
    others.append(draw(BalancedSampler(64, 0.5, seed=3, stream="box"), 11, 2))
    assert first not in others


def test_without_an_image_id_torchs_generator_draws():
    sampler = BalancedSampler(64, 0.5)
    torch.manual_seed(1)
    first = draw(sampler)
    assert draw(sampler) != first
    torch.manual_seed(1)
    assert draw(sampler) == first


def test_every_candidate_is_drawn_equally_often():
    sampler, counts = BalancedSampler(10, 1.0), torch.zeros(20)
    torch.manual_seed(0)
    for rows, _ in sampler([torch.ones(20, dtype=torch.int64)] * 2000, [target()] * 2000):
        counts[rows] += 1
    assert (counts / 2000 - 0.5).abs().max() < 0.06
