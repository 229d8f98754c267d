"""A picture of a result: the image with its boxes on the left, its triplets on the right."""

from collections.abc import Sequence

import cv2
import numpy as np

from maskrcnn_benchmark.evaluation.matching import overlaps
from maskrcnn_benchmark.visualization.draw import draw_boxes, object_names
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph
from maskrcnn_benchmark.visualization.text import color_of, put_label, text_size

ROW_HEIGHT, TEXT_SCALE, PADDING = 26, 0.5, 12
PAPER, INK, FAINT, GREEN = (252, 252, 250), (40, 40, 44), (150, 150, 154), (30, 140, 60)


def agreement(graph: SceneGraph, groundtruth: SceneGraph, iou_threshold: float = 0.5) -> list[bool]:
    """
    For each relation of a graph, whether the ground truth has one with the same three labels and boxes that overlap.

    Args:
        graph, groundtruth: in one frame (else ValueError).
        iou_threshold: smallest IoU (with the +1 pixel convention) of subject with subject and object with object.
    """
    if graph.size != groundtruth.size:
        raise ValueError(f"agreement: graphs must be in one frame, got {graph.size} and {groundtruth.size}")
    known = list(zip(groundtruth.triplets(), groundtruth.relations, strict=True))
    one, two = (np.array([item.box for item in each.objects]).reshape(-1, 4) for each in (graph, groundtruth))
    overlap = overlaps(one[:, None], two)  # (n, m)
    return [
        any(
            triplet == known_triplet
            and min(overlap[one.subject, other.subject], overlap[one.object, other.object]) >= iou_threshold
            for known_triplet, other in known
        )
        for triplet, one in zip(graph.triplets(), graph.relations, strict=True)
    ]


def side_by_side(
    image: np.ndarray,
    graph: SceneGraph,
    *,
    max_relations: int = 20,
    marks: Sequence[bool] | None = None,
    title: str = "",
    height: int = 560,
) -> np.ndarray:
    """
    The image with boxes beside its relations as rows, in the same colours: (height, width, 3) uint8 RGB.

    Args:
        image: (h, w, 3) uint8 RGB.
        max_relations: that many of the first.
        marks: one truth value per relation (`agreement` gives them); a row with True gets a tick.
        title: written above the rows.
        height: of the picture; it grows where the rows need more.
    """
    if marks is not None and len(marks) != len(graph.relations):
        raise ValueError(f"side_by_side: {len(graph.relations)} relations but {len(marks)} marks")
    shown = SceneGraph(graph.size, graph.objects, graph.relations[:max_relations])
    panel = triplet_panel(shown, marks=None if marks is None else marks[:max_relations], title=title)
    height = max(height, len(panel))
    scale = height / image.shape[0]
    size = (round(image.shape[1] * scale), height)
    enlarged = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    canvas = np.full((height, size[0] + panel.shape[1], 3), PAPER, np.uint8)
    canvas[:, : size[0]] = draw_boxes(enlarged, shown, only_related=bool(shown.relations))
    canvas[: len(panel), size[0] :] = panel
    return canvas


def triplet_panel(graph: SceneGraph, *, marks: Sequence[bool] | None = None, title: str = "") -> np.ndarray:
    """The relations of a graph as rows of a picture as large as they need: (h, w, 3) uint8 RGB."""
    names = object_names(graph)
    used = [names[end] for relation in graph.relations for end in (relation.subject, relation.object)]
    name_width = max([text_size(name, TEXT_SCALE)[0] for name in used], default=60)
    word_width = max([text_size(relation.predicate, TEXT_SCALE)[0] for relation in graph.relations], default=60)
    columns = np.cumsum([PADDING + 20, name_width + 8, word_width + 40, name_width + 12, 46])
    rows = max(1, len(graph.relations)) + 1
    width = max(int(columns[-1]) + PADDING, text_size(title, TEXT_SCALE)[0] + 2 * PADDING)
    panel = np.full((2 * PADDING + rows * ROW_HEIGHT, width, 3), PAPER, np.uint8)
    put_label(panel, title or f"{len(graph.relations)} relations", PADDING, PADDING, TEXT_SCALE, PAPER, INK)
    if not graph.relations:
        put_label(panel, "no relation", PADDING, PADDING + ROW_HEIGHT, TEXT_SCALE, PAPER, FAINT)
    for row, relation in enumerate(graph.relations, start=1):
        top = PADDING + row * ROW_HEIGHT
        if marks is not None and marks[row - 1]:
            tick = np.array([(PADDING, top + 9), (PADDING + 5, top + 15), (PADDING + 14, top + 2)])
            cv2.polylines(panel, [tick], False, GREEN, 2, cv2.LINE_AA)
        put_label(panel, names[relation.subject], columns[0], top, TEXT_SCALE, color_of(relation.subject))
        _predicate(panel, relation.predicate, int(columns[1]), int(columns[2]), top)
        put_label(panel, names[relation.object], columns[2], top, TEXT_SCALE, color_of(relation.object))
        put_label(panel, f"{relation.score:.2f}", columns[3], top, TEXT_SCALE, PAPER, FAINT)
    return panel


def _predicate(panel: np.ndarray, word: str, left: int, right: int, top: int) -> None:
    """An arrow from left to right with the word on it."""
    middle = top + ROW_HEIGHT // 2 - 4
    cv2.arrowedLine(
        panel, (left, middle), (right - 6, middle), FAINT, 1, cv2.LINE_AA, tipLength=8 / max(9, right - left)
    )
    width, _ = text_size(word, TEXT_SCALE)
    put_label(panel, word, left + (right - left - 8 - width) / 2, top, TEXT_SCALE, PAPER, INK)
