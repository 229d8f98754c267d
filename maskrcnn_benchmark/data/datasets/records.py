"""From one record an image, as JSON formats give them, to the flat arrays of an AnnotationSource."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.annotations import Annotations, offsets
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, ids_from_names, names_array
from maskrcnn_benchmark.utils.errors import UserError


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """
    One image.

    Args:
        name: file name relative to the folder of images.
        width, height: in pixels.
        boxes: n lists x1, y1, x2, y2 in pixels.
        labels: n object classes from 1.
        relations: r lists subject row, object row, predicate from 1.
        mark: TRAIN, VAL or TEST of source.py.
    """

    name: str
    width: int
    height: int
    boxes: Sequence[Sequence[float]]
    labels: Sequence[int]
    relations: Sequence[Sequence[int]]
    mark: int


def read_json(file: str | Path, kind: type, cure: str | None = None) -> Any:
    """
    The content of a JSON file, which must be a `kind` (dict or list); UserError that names the file otherwise.

    Args:
        cure: what to do about a file that cannot be read; by default what helps with a published one.
    """
    file = Path(file)
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); {cure or 'DATASET.md says where to get it'}") from error
    except ValueError as error:
        raise UserError(f"{file}: is not valid JSON ({error}); {cure or 'fetch it again'}") from error
    if not isinstance(content, kind):
        raise UserError(f"{file}: expected a JSON {'list' if kind is list else 'object'}, found {type(content).__name__}")
    return content


def source_from_records(
    file: Path, records: Sequence[ImageRecord], *, objects: Sequence[str], predicates: Sequence[str]
) -> AnnotationSource:
    """
    The annotations of all records, checked.

    Args:
        file: where they come from, for messages.
        objects, predicates: names, background first.
    Raises:
        UserError: boxes, labels, relations or sizes that cannot be; the message names the image.
    """
    box_counts = np.array([len(record.boxes) for record in records], dtype=np.int64)
    rel_counts = np.array([len(record.relations) for record in records], dtype=np.int64)
    boxes = _flat(file, records, "boxes", 4, np.float32)
    labels = _flat(file, records, "labels", 1, np.int64)[:, 0]
    relations = _flat(file, records, "relations", 3, np.int64)
    image_of_box, image_of_rel = np.repeat(np.arange(len(records)), box_counts), np.repeat(np.arange(len(records)), rel_counts)
    if len(labels) != len(boxes):
        bad = next(record for record in records if len(record.labels) != len(record.boxes))
        raise UserError(f"{file}, image {bad.name}: {len(bad.boxes)} boxes but {len(bad.labels)} labels")
    _check(file, records, "label", labels, image_of_box, 1, len(objects) - 1)
    _check(file, records, "predicate", relations[:, 2], image_of_rel, 1, len(predicates) - 1)
    for column, what in enumerate(("subject", "object")):
        _check(file, records, f"box row of a relation's {what}", relations[:, column], image_of_rel, 0, box_counts[image_of_rel] - 1)
    sizes = np.array([(record.width, record.height) for record in records], dtype=np.int32).reshape(-1, 2)
    if (sizes <= 0).any():
        bad = records[int(np.flatnonzero((sizes <= 0).any(axis=1))[0])]
        raise UserError(f"{file}, image {bad.name}: width and height must be above 0, found {bad.width} x {bad.height}")
    names = [record.name for record in records]
    return AnnotationSource(
        file=file,
        objects=tuple(objects),
        predicates=tuple(predicates),
        attributes=(),
        annotations=Annotations(boxes, labels.astype(np.int32), offsets(box_counts), relations.astype(np.int32), offsets(rel_counts)),
        marks=np.array([record.mark for record in records], dtype=np.int8),
        image_ids=ids_from_names(names),
        sizes=sizes,
        file_names=names_array(names),
    )


def _flat(file: Path, records: Sequence[ImageRecord], field: str, width: int, dtype: type) -> np.ndarray:
    """One field of all records as an array (rows, width)."""
    try:
        return np.array(list(chain.from_iterable(getattr(record, field) for record in records)), dtype=dtype).reshape(-1, width)
    except (TypeError, ValueError, OverflowError):
        for record in records:  # which one it is
            try:
                np.array(list(getattr(record, field)), dtype=dtype).reshape(-1, width)
            except (TypeError, ValueError, OverflowError) as error:
                wanted = f"lists of {width} numbers" if width > 1 else "numbers"
                raise UserError(f"{file}, image {record.name}: {field} must be {wanted} ({error})") from error
        raise


def _check(file: Path, records: Sequence[ImageRecord], what: str, values: np.ndarray, images: np.ndarray, low: int, high: Any) -> None:
    bad = np.flatnonzero((values < low) | (values > high))
    if len(bad):
        limit = np.broadcast_to(high, values.shape)[bad[0]]
        raise UserError(
            f"{file}, image {records[images[bad[0]]].name}: {what} must lie between {low} and {limit}, found {values[bad[0]]}, "
            f"and {len(bad) - 1} more such"
        )
