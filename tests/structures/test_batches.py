"""ImageList, PairBatch, RelationOutput and SceneGraph."""

import json
from dataclasses import replace

import pytest
import torch

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.image_list import ImageList, to_image_list
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.structures.scene_graph import SceneGraph


def test_images_are_padded_right_and_below_with_zeros():
    images = to_image_list([torch.ones(3, 4, 7), torch.ones(3, 6, 5)], size_divisibility=4)
    assert images.tensors.shape == (2, 3, 8, 8) and images.image_sizes == [(7, 4), (5, 6)]
    assert images.tensors.sum() == 3 * (28 + 30)
    assert images.tensors[0, :, :4, :7].all() and images.tensors[1, :, :6, :5].all()
    assert to_image_list([torch.ones(3, 4, 7), torch.ones(3, 6, 5)]).tensors.shape == (2, 3, 6, 7)
    assert to_image_list(images) is images


def test_image_lists_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one"):
        to_image_list([])
    with pytest.raises(ValueError, match=r"\(1, 4, 4\)"):
        to_image_list([torch.zeros(1, 4, 4)])
    with pytest.raises(ValueError, match="canvas"):
        ImageList(torch.zeros(1, 3, 4, 4), [(5, 4)])


def pair_batch(**changes):
    values = {
        "boxes": torch.zeros(3, 4),
        "image_sizes": [(10, 10), (20, 20)],
        "num_objects": [2, 1],
        "pair_index": torch.tensor([[0, 1], [1, 0]]),
        "num_pairs": [2, 0],
        "roi_features": torch.zeros(3, 8),
        "union_features": torch.zeros(2, 8),
    }
    return PairBatch(**(values | changes))


def test_a_pair_batch_checks_every_length():
    batch = pair_batch()
    assert batch.object_labels is None and batch.spatial_features is None
    for name, value, found in [
        ("boxes", torch.zeros(3, 5), r"\(3, 5\)"),
        ("pair_index", torch.zeros(2, 3), r"\(2, 3\)"),
        ("num_objects", [2, 2], r"\[2, 2\]"),
        ("num_pairs", [2], r"\[2\]"),
        ("roi_features", torch.zeros(2, 8), r"roi_features .*\(2, 8\).*3 entities"),
        ("union_features", torch.zeros(3, 8), r"union_features .*\(3, 8\).*2 pairs"),
        ("rel_labels", torch.zeros(1), "rel_labels"),
        ("object_logits", torch.zeros(4, 9), "object_logits"),
        ("related", [torch.zeros(2, 2), torch.zeros(2, 2)], "related"),
    ]:
        with pytest.raises(ValueError, match=found):
            replace(batch, **{name: value})


def test_a_batch_without_pairs_or_objects_is_legal():
    empty = pair_batch(
        boxes=torch.zeros(0, 4), num_objects=[0, 0], pair_index=torch.zeros(0, 2), num_pairs=[0, 0],
        roi_features=torch.zeros(0, 8), union_features=torch.zeros(0, 8),
    )  # fmt: skip
    assert len(empty.pair_index) == 0


def test_relation_output_refuses_losses_that_are_no_number():
    RelationOutput(torch.zeros(2, 3), torch.zeros(1, 4), {"loss": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="'loss'"):
        RelationOutput(torch.zeros(2, 3), torch.zeros(1, 4), {"loss": torch.zeros(2)})


OBJECTS, PREDICATES = ["__background__", "man", "horse"], ["__background__", "riding", "near"]


def result():
    boxes = BoxList([[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 19.0, 19.0]], (20, 20))
    boxes.add_field("pred_labels", torch.tensor([1, 2]))
    boxes.add_field("pred_scores", torch.tensor([0.5, 0.8]))
    boxes.add_field("rel_pair_idxs", torch.tensor([[1, 0], [0, 1]]))
    boxes.add_field("pred_rel_scores", torch.tensor([[0.1, 0.2, 0.7], [0.1, 0.9, 0.0]]))
    boxes.add_field("pred_rel_labels", torch.tensor([2, 1]))
    return boxes


def test_a_scene_graph_names_a_result_and_ranks_by_the_product_of_scores():
    graph = SceneGraph.from_result(result(), OBJECTS, PREDICATES)
    assert graph.triplets() == [("man", "riding", "horse"), ("horse", "near", "man")]
    assert [relation.score for relation in graph.relations] == pytest.approx([0.9 * 0.5 * 0.8, 0.7 * 0.5 * 0.8])
    assert SceneGraph.from_result(result(), OBJECTS, PREDICATES, min_score=0.3).triplets() == [
        ("man", "riding", "horse")
    ]
    assert len(SceneGraph.from_result(result(), OBJECTS, PREDICATES, max_relations=1).relations) == 1
    assert SceneGraph.from_result(result(), OBJECTS, PREDICATES, size=(40, 10)).objects[0].box == (0, 0, 18, 4.5)


def test_a_scene_graph_survives_json():
    graph = SceneGraph.from_result(result(), OBJECTS, PREDICATES)
    assert SceneGraph.from_dict(json.loads(json.dumps(graph.to_dict()))) == graph


def test_a_detector_result_and_an_empty_one_are_graphs_without_relations():
    boxes = BoxList([], (5, 5))
    boxes.add_field("pred_labels", torch.zeros(0, dtype=torch.int64))
    boxes.add_field("pred_scores", torch.zeros(0))
    assert SceneGraph.from_result(boxes, OBJECTS, PREDICATES) == SceneGraph((5, 5), [], [])


def test_a_scene_graph_of_an_annotation():
    target = BoxList([[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 19.0, 19.0]], (20, 20))
    target.add_field("labels", torch.tensor([1, 2]))
    target.add_field("relation_tuple", torch.tensor([[0, 1, 1]]))
    assert SceneGraph.from_groundtruth(target, OBJECTS, PREDICATES).triplets() == [("man", "riding", "horse")]
