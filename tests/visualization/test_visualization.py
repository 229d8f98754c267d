"""Pictures show what the graph holds, exports read back, and nothing is changed in place."""

import json
import xml.etree.ElementTree as ElementTree

import networkx as nx
import numpy as np
import pytest

from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.visualization import (
    agreement,
    draw_boxes,
    draw_graph,
    side_by_side,
    to_dot,
    to_graphml,
    to_json,
    to_networkx,
    write_graph,
)
from maskrcnn_benchmark.visualization.draw import object_names
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph, SceneObject, SceneRelation
from maskrcnn_benchmark.visualization.text import place


def scene() -> SceneGraph:
    objects = [
        SceneObject((20.0, 40.0, 60.0, 120.0), "person"),
        SceneObject((15.0, 100.0, 90.0, 140.0), "bench", 0.8),
        SceneObject((100.0, 50.0, 130.0, 125.0), "person"),
        SceneObject((30.0, 28.0, 50.0, 42.0), 'straw "hat"'),
    ]
    relations = [
        SceneRelation(0, 1, "sitting on", 0.9),
        SceneRelation(0, 3, "wearing", 0.7),
        SceneRelation(0, 1, "on", 0.2),
    ]
    return SceneGraph((160, 150), objects, relations)


def canvas(width: int = 160, height: int = 150) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize("name", ["a\x01b", "half \ud800", "a\u202eb"])
def test_exports_write_out_what_no_file_of_theirs_can_hold(name):
    graph = SceneGraph((9, 9), [SceneObject((0.0, 0.0, 5.0, 5.0), name)], [SceneRelation(0, 0, name, 0.5)])
    values = [entry.text for entry in ElementTree.fromstring(to_graphml(graph)).iter() if entry.text]
    assert values.count(printable(name)) == 3 and name not in to_dot(graph)


@pytest.mark.parametrize("draw", [draw_boxes, draw_graph])
def test_drawing_leaves_the_input_alone_and_keeps_its_size(draw):
    image = canvas()
    drawn = draw(image, scene())
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (image == 90).all() and (drawn != 90).any()


@pytest.mark.parametrize("draw", [draw_boxes, draw_graph, side_by_side])
def test_an_empty_graph_is_legal(draw):
    assert draw(canvas(), SceneGraph((160, 150))).ndim == 3


def test_boxes_follow_the_image_when_its_size_differs_from_the_graphs_frame():
    graph = SceneGraph((160, 150), [SceneObject((40.0, 60.0, 80.0, 100.0), "cup")])
    drawn = draw_boxes(canvas(320, 300), graph)
    rows, columns = np.nonzero((drawn[130:] != 90).any(2))  # below the label
    assert abs(columns.min() - 80) <= 2 and abs(columns.max() - 160) <= 2 and abs(rows.max() + 130 - 200) <= 2


def test_only_related_leaves_out_lonely_objects():
    graph = scene()
    lonely = (slice(80, 118), slice(96, 134))  # the second person, in no relation
    assert (draw_boxes(canvas(), graph)[lonely] != 90).any()
    assert (draw_boxes(canvas(), graph, only_related=True)[lonely] == 90).all()


def test_draw_refuses_what_is_no_rgb_image():
    with pytest.raises(ValueError, match="uint8"):
        draw_boxes(np.zeros((4, 4, 3), np.float32), scene())


def test_labels_do_not_overlap_where_there_is_room():
    taken = [(0.0, 0.0, 30.0, 10.0)]
    chosen = place((30, 10), [(0, 0), (0, 5), (0, 12)], taken, (100, 100))
    assert chosen == (0, 12, 30, 22)
    assert place((30, 10), [(90, -5)], [], (100, 100)) == (70, 0, 100, 10)  # moved into the frame


def test_repeated_classes_are_numbered():
    assert object_names(scene()) == ["person 1", "bench", "person 2", 'straw "hat"']


def test_side_by_side_grows_with_its_rows_and_ticks_the_marked():
    graph = scene()
    picture = side_by_side(canvas(), graph, marks=[True, False, False], title="an image", height=300)
    unmarked = side_by_side(canvas(), graph, marks=[False, False, False], title="an image", height=300)
    assert picture.shape == unmarked.shape and picture.shape[0] == 300 and picture.shape[1] > 320
    changed = np.nonzero((picture != unmarked).any((1, 2)))[0]
    assert 0 < changed.max() - changed.min() < 26  # one row
    many = SceneGraph(graph.size, graph.objects, graph.relations * 10)
    assert side_by_side(canvas(), many, max_relations=30, height=300).shape[0] > 700
    with pytest.raises(ValueError, match="marks"):
        side_by_side(canvas(), graph, marks=[True])


def test_agreement_asks_for_labels_and_overlap():
    graph = scene()
    shifted = [
        SceneObject((22.0, 42.0, 62.0, 122.0), "person"),
        SceneObject((60.0, 100.0, 150.0, 140.0), "bench"),
        graph.objects[3],
    ]
    annotated = SceneGraph(graph.size, shifted, [SceneRelation(0, 1, "sitting on"), SceneRelation(0, 2, "wearing")])
    assert agreement(graph, annotated) == [False, True, False]
    assert agreement(graph, graph) == [True, True, True]
    with pytest.raises(ValueError, match="frame"):
        agreement(graph, SceneGraph((10, 10)))


def test_networkx_holds_every_object_and_relation():
    result = to_networkx(scene())
    assert result.number_of_nodes() == 4 and result.number_of_edges() == 3  # two relations of one pair stay two
    assert result.nodes[1]["label"] == "bench" and result.nodes[1]["score"] == 0.8
    assert {data["predicate"] for _, _, data in result.edges(data=True)} == {"sitting on", "wearing", "on"}


def test_exports_read_back(tmp_path):
    graph = scene()
    assert SceneGraph.from_dict(json.loads(to_json(graph))) == graph
    read = nx.parse_graphml(to_graphml(graph), node_type=int, force_multigraph=True)
    assert dict(read.nodes(data=True)) == dict(to_networkx(graph).nodes(data=True))
    ElementTree.fromstring(to_graphml(graph))
    dot = to_dot(graph)
    assert dot.count("->") == 3 and 'label="straw \\"hat\\""' in dot and "person 2" not in dot
    for suffix in (".json", ".graphml", ".dot"):
        write_graph(tmp_path / f"graph{suffix}", graph)
        assert (tmp_path / f"graph{suffix}").stat().st_size > 100
    with pytest.raises(UserError, match="graphml"):
        write_graph(tmp_path / "graph.txt", graph)
