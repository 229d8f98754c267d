"""Which pairs are drawn in training and taken at test."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.sampling import (
    PairSampler,
    all_pairs,
    overlapping_pairs,
)
from maskrcnn_benchmark.structures.bounding_box import BoxList


def sampler(task=Task.PREDCLS, **changes):
    settings = {
        "seed": 7,
        "batch_size": 10,
        "positive_fraction": 0.5,
        "iou_threshold": 0.5,
        "per_relation": 4,
        "require_overlap": False,
    }
    return PairSampler(task=task, **(settings | changes))


def as_set(rows):
    return {tuple(row) for row in rows.tolist()}


@pytest.mark.parametrize("n, expected", [(0, 0), (1, 0), (2, 2), (5, 20)])
def test_at_test_all_ordered_pairs_come_row_by_row(n, expected):
    pairs = all_pairs(n)
    assert pairs.tolist() == [[i, j] for i in range(n) for j in range(n) if i != j]
    assert len(pairs) == expected


def test_at_test_boxes_apart_can_be_left_out():
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 5, 15, 15], [40, 40, 50, 50]])
    assert as_set(overlapping_pairs(boxes)) == {(0, 1), (1, 0)}


RELATIONS = torch.tensor([[0, 1, 3], [1, 2, 1], [2, 2, 4]])  # the last relates a box to itself


def test_ground_truth_boxes_keep_every_relation_and_fill_up_with_others():
    drawn = sampler(batch_size=8).of_ground_truth(4, RELATIONS)
    rows = torch.cat([drawn.pairs, drawn.labels[:, None]], dim=1)
    assert as_set(rows[drawn.labels > 0]) == as_set(RELATIONS)
    background = drawn.pairs[drawn.labels == 0]
    assert len(background) == 5 and len(as_set(background)) == 5
    assert all(i != j and (i, j) not in {(0, 1), (1, 2)} for i, j in background.tolist())
    assert torch.equal(drawn.related, drawn.related.t()) and drawn.related[1, 0] and not drawn.related[0, 3]


def test_ground_truth_boxes_take_all_others_where_there_are_few_and_cut_relations_at_their_share():
    assert len(sampler(batch_size=512, positive_fraction=0.25).of_ground_truth(3, RELATIONS).pairs) == 3 + 4
    cut = sampler(batch_size=4).of_ground_truth(4, RELATIONS)
    assert (cut.labels > 0).sum() == 2 and len(cut.pairs) == 4


@pytest.mark.parametrize("n", [0, 1])
def test_without_a_pair_nothing_is_drawn(n):
    drawn = sampler(batch_size=8).of_ground_truth(n, torch.zeros(0, 3, dtype=torch.long))
    assert drawn.pairs.shape == (0, 2) and drawn.labels.shape == (0,)


def labelled(boxes, labels):
    found = BoxList(boxes, (300, 300))
    found.add_field("labels", torch.tensor(labels))
    return found


def draw_detections(boxes, labels, ground_truth, relations=((0, 1, 5),), generator=None, **settings):
    """Pairs of detections, where two ground-truth boxes have the labels 1 and 2."""
    entities, target = labelled(boxes, labels), labelled(ground_truth, [1, 2])
    return sampler(Task.SGDET, **settings).of_detections(entities, target, torch.tensor(relations), generator)


@pytest.fixture
def image():
    """
    Two ground-truth boxes; three detections near the first, two near the second, one elsewhere, one with the wrong
    label.
    """
    ground_truth = torch.tensor([[0.0, 0, 40, 40], [50, 50, 90, 90]])
    near = torch.tensor([0.0, 1, 2])[:, None] + ground_truth[0]
    also = torch.tensor([0.0, 2])[:, None] + ground_truth[1]
    other = torch.tensor([[0.0, 60, 20, 80], [50, 50, 90, 90]])
    return {
        "boxes": torch.cat([near, also, other]),
        "labels": [1, 1, 1, 2, 2, 3, 4],
        "ground_truth": ground_truth,
        "batch_size": 64,
    }


def test_a_relation_gives_combinations_of_its_matches(image):
    drawn = draw_detections(**image, per_relation=100)
    positive = drawn.pairs[drawn.labels > 0]
    assert as_set(positive) == {(i, j) for i in (0, 1, 2) for j in (3, 4)}
    assert (drawn.labels[drawn.labels > 0] == 5).all()
    background = as_set(drawn.pairs[drawn.labels == 0])
    assert background == {(i, j) for i in range(7) for j in range(7) if i != j} - as_set(positive)


def test_a_matched_combination_that_was_not_drawn_is_no_background_either(image):
    drawn = draw_detections(**image, per_relation=2)
    assert (drawn.labels > 0).sum() == 2
    assert not as_set(drawn.pairs[drawn.labels == 0]) & {(i, j) for i in (0, 1, 2) for j in (3, 4)}


def test_background_leaves_out_unmatched_proposals_and_with_overlap_boxes_apart_or_alike(image):
    image |= {"labels": [1, 0, 1, 2, 2, 3, 4], "require_overlap": True}
    drawn = draw_detections(**image, per_relation=100)
    background = as_set(drawn.pairs[drawn.labels == 0])
    assert not any(1 in pair for pair in background)
    assert (
        (0, 2) in background and (3, 6) not in background and (0, 5) not in background
    )  # overlap; the same box; apart


def test_combinations_are_drawn_in_proportion_to_the_product_of_overlaps():
    boxes = torch.tensor([[0.0, 0, 99, 99], [0, 0, 99, 59], [200, 0, 299, 99]])
    generator = torch.Generator().manual_seed(3)
    drawn = [
        draw_detections(boxes, [1, 1, 2], boxes[[0, 2]], generator=generator, batch_size=8, per_relation=1)
        for _ in range(2000)
    ]
    first = sum(int(one.pairs[0, 0] == 0) for one in drawn)
    assert abs(first / 2000 - 1.0 / 1.6) < 0.04  # IoU 1 against 0.6


def test_a_pair_may_stand_in_two_relations_and_total_is_cut(image):
    image["relations"] = [[0, 1, 5], [0, 1, 2]]
    assert (draw_detections(**image, per_relation=100).labels > 0).sum() == 12
    assert (draw_detections(**image | {"batch_size": 10}, per_relation=100).labels > 0).sum() == 5


def one_image(image_id=None, epoch=0):
    target = BoxList(torch.rand(9, 4).sort(dim=1).values * 90, (100, 100))
    target.add_field("labels", torch.ones(9, dtype=torch.long))
    target.add_field("relation_tuple", RELATIONS)
    if image_id is not None:
        target.add_field("image_id", image_id)
        target.add_field("epoch", epoch)
    return target


def draw(target):
    return sampler()(target, target).pairs


def test_draws_depend_on_seed_epoch_and_image_alone():
    first = draw(one_image(5))
    torch.rand(100)
    assert torch.equal(first, draw(one_image(5)))
    assert not torch.equal(first, draw(one_image(6))) and not torch.equal(first, draw(one_image(5, epoch=1)))


def test_without_an_image_id_torchs_own_generator_draws():
    torch.manual_seed(0)
    first, second = draw(one_image()), draw(one_image())
    torch.manual_seed(0)
    assert torch.equal(first, draw(one_image())) and not torch.equal(first, second)
