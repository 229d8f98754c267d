"""From logits to results."""

import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.postprocess import RelationPostProcessor
from maskrcnn_benchmark.structures.bounding_box import BoxList

ENTITIES = torch.tensor([[5.0, 3.0, 1.0], [0.0, 1.0, 4.0]])  # the first looks most like background
RELATIONS = torch.tensor([[9.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
PAIRS = torch.tensor([[0, 1], [1, 0]])


def proposals(n=2):
    boxes = BoxList(torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11]])[:n], (50, 40))
    per_class = torch.arange(24.0).reshape(2, 3, 4)[:n]
    boxes.add_field("boxes_per_cls", per_class)
    return boxes


def test_given_boxes_stay_and_relations_are_sorted_by_the_product_of_three_scores():
    (result,) = RelationPostProcessor(task=Task.SGCLS, nms_threshold=0.5)(ENTITIES, RELATIONS, [PAIRS], [proposals()])
    softmax = ENTITIES.softmax(1)
    assert torch.equal(result.bbox, proposals().bbox) and result.size == (50, 40)
    assert result.get_field("pred_labels").tolist() == [1, 2]
    torch.testing.assert_close(result.get_field("pred_scores"), torch.stack([softmax[0, 1], softmax[1, 2]]))
    assert result.get_field("rel_pair_idxs").tolist() == [[1, 0], [0, 1]]
    assert result.get_field("pred_rel_labels").tolist() == [2, 1]
    torch.testing.assert_close(result.get_field("pred_rel_scores"), RELATIONS.softmax(1).flip(0))


def test_equal_scores_keep_their_order():
    (result,) = RelationPostProcessor(task=Task.SGCLS, nms_threshold=0.5)(
        ENTITIES, RELATIONS[:1].repeat(2, 1), [PAIRS], [proposals()]
    )
    assert result.get_field("rel_pair_idxs").tolist() == PAIRS.tolist()


def test_detections_take_the_box_of_their_final_label():
    (result,) = RelationPostProcessor(task=Task.SGDET, nms_threshold=0.5)(ENTITIES, RELATIONS, [PAIRS], [proposals()])
    labels = result.get_field("pred_labels")
    assert 0 not in labels.tolist()
    assert torch.equal(result.bbox, proposals().get_field("boxes_per_cls")[torch.arange(2), labels])


@pytest.mark.parametrize("task", list(Task))
def test_images_without_boxes_or_pairs_give_empty_results(task):
    empty = PAIRS[:0]
    results = RelationPostProcessor(task=task, nms_threshold=0.5)(
        ENTITIES[:1], RELATIONS[:0], [empty, empty], [proposals(0), proposals(1)]
    )
    assert [len(r) for r in results] == [0, 1]
    assert [tuple(r.get_field("pred_rel_scores").shape) for r in results] == [(0, 3), (0, 3)]
