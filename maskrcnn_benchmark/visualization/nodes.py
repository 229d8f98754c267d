"""The graph alone as a picture: a node an object that is in a relation, an arrow a pair with its predicates."""

import networkx as nx
import numpy as np

from maskrcnn_benchmark.visualization.draw import LABEL_SCALE, arrow, object_names
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph
from maskrcnn_benchmark.visualization.text import Rectangle, color_of, put_label, put_where_free, text_size

PAPER, INK = (252, 252, 250), (40, 40, 44)
NODE_SCALE = 0.5
ASIDE = 4  # pixels
# Pixels of the picture a side: for few nodes, and more for each.
SIDE, SIDE_PER_NODE, BORDER = 480, 36, 60


def draw_nodes(graph: SceneGraph, *, max_relations: int = 20) -> np.ndarray:
    """(s, s, 3) uint8 RGB of the first relations, for more cannot be read; s grows with the number of nodes."""
    shown = graph.relations[:max_relations]
    pairs: dict[tuple[int, int], list[str]] = {}
    for relation in shown:
        pairs.setdefault((relation.subject, relation.object), []).append(relation.predicate)
    places = nx.DiGraph(list(pairs))
    side = SIDE + SIDE_PER_NODE * len(places)
    canvas = np.full((side, side, 3), PAPER, np.uint8)
    if not places:
        put_label(canvas, "no relation", BORDER, BORDER, NODE_SCALE, PAPER, INK)
        return canvas
    layout = nx.spring_layout(places.to_undirected(), k=1.6 / np.sqrt(len(places)), iterations=200, seed=0)
    points = {row: BORDER + (np.clip(at, -1, 1) + 1) / 2 * (side - 2 * BORDER) for row, at in layout.items()}
    names = object_names(graph)
    taken: list[Rectangle] = []
    for subject, object_ in pairs:
        way = points[object_] - points[subject]
        start, end = points[subject] + 0.1 * way, points[object_] - 0.1 * way
        arrow(canvas, start + _aside(way), end + _aside(way), color_of(subject))
    for row, at in points.items():
        _centred(canvas, names[row], at, NODE_SCALE, color_of(row), taken)
    for (subject, object_), predicates in pairs.items():
        # Off the middle, towards the object: pairs related both ways have two labels.
        way = points[object_] - points[subject]
        at = points[subject] + 0.58 * way + _aside(way)
        _centred(canvas, ", ".join(dict.fromkeys(predicates)), at, LABEL_SCALE, (255, 255, 255), taken)
    return canvas


def _aside(way: np.ndarray) -> np.ndarray:
    """What a step to the side of a (x, y) way is, so that arrows of both directions lie beside one another."""
    return ASIDE * np.array([-way[1], way[0]]) / max(1.0, float(np.linalg.norm(way)))


def _centred(
    canvas: np.ndarray, text: str, at: np.ndarray, scale: float, ground: tuple[int, int, int], taken: list[Rectangle]
) -> None:
    width, height = text_size(text, scale)
    corners = [(at[0] - width / 2, at[1] - height / 2 + shift * height) for shift in (0, 1, -1, 2, -2)]
    put_where_free(canvas, text, corners, taken, scale, ground)
