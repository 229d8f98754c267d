"""Looks boxes and relations over."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from maskrcnn_benchmark.data.check.report import Report
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, clip_boxes
from maskrcnn_benchmark.data.findings import NOTE, WARNING


def check_annotations(report: Report, source: AnnotationSource, *, prefix: str = "") -> None:
    """Adds what is odd about the boxes and relations of a source; `prefix` says which file, where there are several."""
    annotations = source.annotations
    image_of_box, image_of_rel = annotations.image_of_box(), annotations.image_of_relation()

    def name(image: int) -> str:
        return source.file_name(image)

    def add(level: str, what: str, bad: np.ndarray, describe: Callable[[int], str]) -> None:
        rows = np.flatnonzero(bad)
        report.add(level, prefix + what, [describe(int(row)) for row in rows[:10]], count=len(rows))

    boxes = source.pixel_boxes()
    sizes = np.repeat(source.sizes, annotations.box_counts, axis=0)
    clipped, beyond = clip_boxes(boxes, sizes)
    empty, flat = _empty(clipped), _empty(boxes)

    def box(row: int) -> str:
        return f"{name(image_of_box[row])} {np.round(boxes[row], 1).tolist()} of {sizes[row].tolist()}"

    for finding in source.findings:
        report.findings.append(replace(finding, what=prefix + finding.what))
    boxless = annotations.box_counts == 0
    add(NOTE, "images without a box, in no split", boxless, name)
    unrelated = ~boxless & (annotations.rel_counts == 0)
    add(NOTE, "images without a relation, used for the detector only", unrelated, name)
    add(WARNING, "boxes that reach beyond their image and are clipped", beyond, box)
    add(WARNING, "boxes of no width or height", flat, box)
    add(WARNING, "boxes that are empty once clipped, left out in training", empty & ~flat, box)
    repeated = _repeated(image_of_box, *annotations.boxes.T, annotations.labels)
    add(NOTE, "repeated boxes, of the same class in the same image", repeated, box)

    relations = annotations.relations.astype(np.int64)

    def relation(row: int) -> str:
        subject, object_, predicate = relations[row]
        return f"{name(image_of_rel[row])} ({subject}, {source.predicates[predicate]}, {object_})"

    add(NOTE, "relations of a box with itself, which no model predicts", relations[:, 0] == relations[:, 1], relation)
    further = _repeated(image_of_rel, *relations[:, :2].T)
    add(NOTE, "further relations of an ordered pair, of which training keeps one", further, relation)


def _empty(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)


def _repeated(*columns: np.ndarray) -> np.ndarray:
    """(n,) bool: a row whose values in all columns (n,) each have occurred before."""
    order = np.lexsort(columns[::-1])
    ordered = np.stack(columns)[:, order]
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = (ordered[:, 1:] == ordered[:, :-1]).all(axis=0)
    return repeated
