"""SceneGraph: a result or an annotation with names."""

import json

import pytest
import torch

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

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


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"schema_version": 2}, "schema_version 1 is read here, found 2"),
        ({"width": None}, "'width' must be a whole number above 0, found null"),
        ({"height": 0}, "'height' must be a whole number above 0, found 0"),
        ({"objects": [{"label": "man"}]}, r"objects\[0\].*has no 'box'"),
        ({"objects": [{"box": [0, 0, float("nan"), 1], "label": "man"}]}, "'box' must be four finite numbers"),
        ({"relations": [{"subject": 0, "object": -1, "predicate": "on"}]}, "'object' must be a row of the 2 objects"),
        ({"relations": [{"subject": 2, "object": 0, "predicate": "on"}]}, "'subject' must be a row of the 2 objects"),
        ({"relations": [{"subject": 0, "object": 1, "predicate": "on", "terms": {"base": "x"}}]}, "numbers by name"),
        ({"relations": [7]}, r"relations\[0\]: expected an object"),
    ],
)
def test_a_form_that_is_no_scene_graph_is_named(changes, said):
    values = SceneGraph.from_result(result(), OBJECTS, PREDICATES).to_dict()
    with pytest.raises(UserError, match=said):
        SceneGraph.from_dict(values | changes)


def test_a_reader_leaves_out_fields_that_it_does_not_know():
    graph = SceneGraph.from_result(result(), OBJECTS, PREDICATES)
    values = graph.to_dict()
    for entry in (values, values["objects"][0], values["relations"][0]):
        entry["later"] = 1
    assert SceneGraph.from_dict(values) == graph


def test_a_detector_result_and_an_empty_one_are_graphs_without_relations():
    boxes = BoxList([], (5, 5))
    boxes.add_field("pred_labels", torch.zeros(0, dtype=torch.int64))
    boxes.add_field("pred_scores", torch.zeros(0))
    assert SceneGraph.from_result(boxes, OBJECTS, PREDICATES) == SceneGraph((5, 5), [], [])


def test_a_scene_graph_of_an_annotation():
    target = BoxList([[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 19.0, 19.0]], (20, 20))
    target.add_field("labels", torch.tensor([1, 2]))
    target.add_field("relation_tuple", torch.tensor([[0, 1, 1]]))
    assert SceneGraph.from_ground_truth(target, OBJECTS, PREDICATES).triplets() == [("man", "riding", "horse")]
