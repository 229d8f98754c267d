"""VRD, Visual Relationship Detection (Lu et al., ECCV 2016): 100 object classes and 70 predicates."""

from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets.records import ImageRecord, read_json, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource, with_background
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.utils.errors import UserError


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:
    """
    The annotations of a catalog entry of kind "vrd": a list of relations by image file, boxes [ymin, ymax, xmin, xmax], ids from 0.

    Boxes are repeated relation by relation: an object is its box and class. The files do not say how large an image is: it is read from
    the image, and an image that is missing, which cannot be used anyway, is taken to be as large as its boxes reach.

    Raises:
        UserError: entries that are not of that form.
    """
    file = entry.files["annotations"]
    records = []
    for name, relations in read_json(file, dict).items():
        try:
            boxes, labels, triplets = _objects(relations)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{file}, image {name}: needs a list of relations with predicate, subject and object, these with category and bbox "
                f"({type(error).__name__}: {error})"
            ) from error
        path = entry.files["images"] / name
        width, height = _extent(boxes) if statistics_only or not path.is_file() else image_size(path)
        records.append(ImageRecord(name, width, height, boxes, labels, triplets, TEST if entry.split == "test" else TRAIN))
    objects, predicates = (_names(entry.files[what]) for what in ("objects", "predicates"))
    return source_from_records(file, records, objects=objects, predicates=predicates)


def _names(file: Path) -> tuple[str, ...]:
    return with_background(read_json(file, list))


def _objects(relations: list[dict[str, Any]]) -> tuple[list[tuple[int, ...]], list[int], list[tuple[int, int, int]]]:
    """Distinct boxes xyxy with their classes from 1, and relations between their rows."""
    rows: dict[tuple[tuple[int, ...], int], int] = {}
    triplets = []
    for relation in relations:
        ends = []
        for what in ("subject", "object"):
            y1, y2, x1, x2 = relation[what]["bbox"]
            ends.append(rows.setdefault(((x1, y1, x2, y2), relation[what]["category"] + 1), len(rows)))
        triplets.append((ends[0], ends[1], relation["predicate"] + 1))
    return [box for box, _ in rows], [label for _, label in rows], triplets


def _extent(boxes: list[tuple[int, ...]]) -> tuple[int, int]:
    """The smallest (width, height) that holds all boxes."""
    if not boxes:
        return 1, 1
    corner = np.array(boxes)[:, 2:].max(axis=0) + 1
    return max(int(corner[0]), 1), max(int(corner[1]), 1)
