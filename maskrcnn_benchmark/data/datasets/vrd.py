"""VRD, Visual Relationship Detection (Lu et al., ECCV 2016): 100 object classes and 70 predicates."""

from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format, Published
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import TEST, TRAIN, AnnotationSource
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.data.image_ids import image_file_name
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.arrays import number_table
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import WHOLE, fields, read_json, shown


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:
    """
    The annotations of a catalog entry of kind "vrd": a list of relations by image file, boxes [ymin, ymax, xmin, xmax],
    ids from 0.

    Boxes are repeated relation by relation: an object is its box and class. The files do not say how large an image is:
    it is read from the image, and an image that is missing, which cannot be used anyway, is taken to be as large as its
    boxes reach.
    """
    file = entry.files["annotations"]
    records = []
    for name, relations in read_json(file, dict).items():
        boxes, labels, triplets = _objects(relations, f"{file}, image {shown(name)}")
        name = image_file_name(name, str(file))
        path = entry.files["images"] / name
        size = _extent(boxes) if statistics_only or not path.is_file() else image_size(path)
        mark = TEST if entry.split == "test" else TRAIN
        records.append(ImageRecord(name, *size, boxes, labels, triplets, mark))
    objects, predicates = (
        vocabulary(read_json(entry.files[what], list), str(entry.files[what])) for what in ("objects", "predicates")
    )
    return source_from_records(file, records, objects=objects, predicates=predicates, first_id=0)


def _objects(relations: Any, where: str) -> tuple[list[tuple[float, ...]], list[int], list[tuple[int, int, int]]]:
    """Distinct boxes xyxy with their classes, and relations between their rows."""
    if not isinstance(relations, list):
        raise UserError(
            f"{where}: needs a list of relations with predicate, subject and object, found {shown(relations)}"
        )
    rows: dict[tuple[tuple[float, ...], int], int] = {}
    triplets = []
    for position, relation in enumerate(relations):
        place = f"{where}, relation {position} (from 0)"
        predicate, *ends = fields(relation, place, predicate=WHOLE, subject=dict, object=dict)
        found = []
        for what, end in zip(("subject", "object"), ends, strict=True):
            at = f"{place}, {what}"
            label, box = fields(end, at, category=WHOLE, bbox=list)
            y1, y2, x1, x2 = number_table([box], 4, whole=False, where=lambda _, at=at: f"{at}: 'bbox'")[0].tolist()
            found.append(rows.setdefault(((x1, y1, x2, y2), label), len(rows)))
        triplets.append((*found, predicate))
    return [box for box, _ in rows], [label for _, label in rows], triplets


def _extent(boxes: list[tuple[float, ...]]) -> tuple[int, int]:
    """The smallest (width, height) that holds all boxes."""
    if not boxes:
        return 1, 1
    corner = np.array(boxes)[:, 2:].max(axis=0) + 1
    return max(int(corner[0]), 1), max(int(corner[1]), 1)


def _files(folder: Path, split: str) -> dict[str, Path]:
    # There is no val; it is an empty part of the training file, so that published training sets stay comparable.
    annotations = folder / ("annotations_test.json" if split == "test" else "annotations_train.json")
    names = {"objects": folder / "objects.json", "predicates": folder / "predicates.json"}
    return {"images": folder / "images", **names, "annotations": annotations}


FORMAT = Format(name="vrd", files=_files, read=read_entry, published=(Published(stem="vrd", folder="vrd"),))
