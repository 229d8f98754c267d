"""Draws a scene graph on its image: boxes with labels, and the relations as arrows. Nothing is changed in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.visualization.text import Rectangle, color_of, put_where_free, text_size

if TYPE_CHECKING:
    from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

LABEL_SCALE = 0.42
ARROW = (255, 255, 255)


def object_names(graph: SceneGraph) -> list[str]:
    """A name for each object: its class, numbered where the class occurs more than once ("person 2")."""
    counts = Counter(item.label for item in graph.objects)
    seen: Counter[str] = Counter()
    names = []
    for item in graph.objects:
        seen[item.label] += 1
        names.append(f"{item.label} {seen[item.label]}" if counts[item.label] > 1 else item.label)
    return names


def draw_boxes(image: np.ndarray, graph: SceneGraph, *, only_related: bool = False) -> np.ndarray:
    """
    The image with every object's box and label, a new one.

    Args:
        image: (h, w, 3) uint8 RGB; boxes are scaled from the graph's frame to it.
        only_related: leave out objects that are in no relation.
    """
    return _with_boxes(image, graph, only_related)[0]


def draw_labels(image: np.ndarray, graph: SceneGraph) -> np.ndarray:
    """As draw_boxes, but the labels alone: for pictures that have the boxes on top."""
    canvas = image.copy()
    _put_labels(canvas, graph, range(len(graph.objects)))
    return canvas


def draw_graph(image: np.ndarray, graph: SceneGraph, *, max_relations: int = 12) -> np.ndarray:
    """
    The image, a new one, with the best relations as arrows with the predicate at their middle, and their boxes.

    Args:
        image: (h, w, 3) uint8 RGB.
        max_relations: that many of the first, for more cannot be read.
    """
    graph = replace(graph, relations=graph.relations[:max_relations])
    canvas, taken = _with_boxes(image, graph, only_related=True)
    boxes = scaled_boxes(image, graph)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    arrows = []
    for relation in graph.relations:
        way = centres[relation.object] - centres[relation.subject]
        start, end = centres[relation.subject] + 0.06 * way, centres[relation.object] - 0.06 * way  # a little off both
        arrow(canvas, start, end, color_of(relation.subject))
        arrows.append((relation, start, end))
    for relation, start, end in arrows:
        size = text_size(relation.predicate, LABEL_SCALE)
        spots = [start + share * (end - start) for share in (0.5, 0.4, 0.6, 0.3, 0.7)]
        spots += [spots[0] + (0, shift * size[1]) for shift in (-1, 1, -2, 2)]
        corners = [(x - size[0] / 2, y - size[1] / 2) for x, y in spots]
        put_where_free(canvas, relation.predicate, corners, taken, LABEL_SCALE, (255, 255, 255))
    return canvas


def scaled_boxes(image: np.ndarray, graph: SceneGraph) -> np.ndarray:
    """(n, 4) xyxy boxes of a graph in the pixels of an image."""
    scale = np.array([image.shape[1] / graph.size[0], image.shape[0] / graph.size[1]] * 2)
    return np.array([item.box for item in graph.objects], dtype=np.float64).reshape(-1, 4) * scale


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Writes (h, w, 3) uint8 RGB as its suffix, .jpg or .png, says; whole or not at all."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92] if Path(path).suffix == ".jpg" else []
    encoded = cv2.imencode(Path(path).suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _with_boxes(image: np.ndarray, graph: SceneGraph, only_related: bool) -> tuple[np.ndarray, list[Rectangle]]:
    """The image with boxes and labels, and the rectangles of the labels."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"draw: image must be (h, w, 3) uint8, got {image.shape} {image.dtype}")
    canvas = image.copy()
    related = {end for relation in graph.relations for end in (relation.subject, relation.object)}
    rows = [row for row in range(len(graph.objects)) if row in related or not only_related]
    boxes = scaled_boxes(image, graph)
    for row in rows:
        x1, y1, x2, y2 = np.round(boxes[row]).astype(int).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), (0, 0, 0), 3)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), color_of(row), 2)
    return canvas, _put_labels(canvas, graph, rows)


def _put_labels(canvas: np.ndarray, graph: SceneGraph, rows: Sequence[int]) -> list[Rectangle]:
    """Writes the labels of these objects on the canvas, at corners of their boxes that are free; their rectangles."""
    names, boxes = object_names(graph), scaled_boxes(canvas, graph)
    taken: list[Rectangle] = []
    for row in sorted(rows, key=lambda row: boxes[row][1]):
        width, height = text_size(names[row], LABEL_SCALE)
        x1, y1, x2, y2 = boxes[row]
        corners = [(x1, y1 - height), (x1, y1), (x1, y2), (x2 - width, y1 - height), (x2 - width, y2)]
        corners += [(x1, y2 - height), (x1, y1 - 2 * height), (x1, y1 - 3 * height), (x2, y1), (x1 - width, y1)]
        put_where_free(canvas, names[row], corners, taken, LABEL_SCALE, color_of(row))
    return taken


def arrow(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, color: tuple[int, int, int]) -> None:
    """Draws an arrow on the canvas between two (x, y) points in pixels."""
    points = [tuple(np.round(point).astype(int).tolist()) for point in (start, end)]
    tip = min(0.25, 9 / max(1.0, float(np.linalg.norm(end - start))))
    cv2.arrowedLine(canvas, *points, ARROW, 4, cv2.LINE_AA, tipLength=tip)
    cv2.arrowedLine(canvas, *points, color, 2, cv2.LINE_AA, tipLength=tip)
