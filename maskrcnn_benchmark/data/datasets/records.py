"""One record per image, as JSON formats give them, to the flat arrays of an AnnotationSource, checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.annotations import Annotations, in_parts, offsets
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, names_array
from maskrcnn_benchmark.data.findings import WARNING, Finding, found
from maskrcnn_benchmark.data.image_ids import ids_from_names, image_file_name, image_number
from maskrcnn_benchmark.utils.arrays import number_table
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import shown

_FARTHEST = 2**30  # of a coordinate from 0, in pixels


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """
    One image, its values as the file has them.

    Args:
        name: file name relative to the folder of images.
        width, height: in pixels.
        boxes: n lists of four numbers in pixels.
        labels: n object classes.
        relations: r lists subject row, object row, predicate.
        mark: TRAIN, VAL or TEST of source.py.
        image_id: the file's own; None where the format has none.
    """

    name: Any
    width: Any
    height: Any
    boxes: Any
    labels: Any
    relations: Any
    mark: int
    image_id: Any = None


def source_from_records(
    file: Path,
    records: Sequence[ImageRecord],
    *,
    objects: Sequence[str],
    predicates: Sequence[str],
    first_id: int = 1,
    widths: bool = False,
    findings: Sequence[Finding] = (),
) -> AnnotationSource:
    """
    The annotations of all records, checked.

    Args:
        file: where they come from, for messages.
        objects, predicates: names, background first.
        first_id: from where the records count classes and predicates, 0 or 1.
        widths: boxes are x, y, width, height; False: x1, y1, x2, y2.
        findings: what the reader left out.
    Raises:
        UserError: values of a wrong type, or boxes, labels, relations, sizes, names or ids that cannot be; the message
            names the image.
    """
    names = []
    for position, record in enumerate(records):
        known = "" if record.image_id is None else f", id {shown(record.image_id)}"
        names.append(image_file_name(record.name, f"{file}, image {position} (from 0{known})"))
        lists = {"boxes": record.boxes, "labels": record.labels, "relations": record.relations}
        for field, values in lists.items():
            if not isinstance(values, (list, tuple)):
                raise UserError(f"{file}, image {record.name}: {field} must be a list, found {shown(values)}")
        if len(record.labels) != len(record.boxes):
            raise UserError(f"{file}, image {record.name}: {len(record.boxes)} boxes but {len(record.labels)} labels")
    images = np.arange(len(records))
    box_counts = np.array([len(record.boxes) for record in records], dtype=np.int64)
    rel_counts = np.array([len(record.relations) for record in records], dtype=np.int64)
    image_of_box, image_of_rel = np.repeat(images, box_counts), np.repeat(images, rel_counts)

    def of_image(image: int) -> str:
        return f"{file}, image {records[image].name}"

    def of_box(row: int) -> str:
        return of_image(image_of_box[row])

    def of_relation(row: int) -> str:
        return of_image(image_of_rel[row])

    raw = _flat(records, "boxes", 4, of_box, whole=False)
    _check("box coordinate", raw, of_box, -_FARTHEST, _FARTHEST)
    labels = _flat(records, "labels", None, of_box, whole=True) - first_id + 1
    relations = _flat(records, "relations", 3, of_relation, whole=True)
    relations[:, 2] += 1 - first_id
    _check("label", labels, of_box, 1, len(objects) - 1, shift=first_id - 1)
    _check("predicate", relations[:, 2], of_relation, 1, len(predicates) - 1, shift=first_id - 1)
    for column, end in enumerate(("subject", "object")):
        rows = f"box row of a relation's {end}"
        _check(rows, relations[:, column], of_relation, 0, box_counts[image_of_rel] - 1)
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:] - 1], axis=1) if widths else raw
    labels, relations = labels.astype(np.int32), relations.astype(np.int32)
    boxes = boxes.astype(np.float32)
    annotations = Annotations(boxes, labels, offsets(box_counts), relations, offsets(rel_counts))
    return AnnotationSource(
        file=file,
        objects=tuple(objects),
        predicates=tuple(predicates),
        attributes=(),
        annotations=annotations,
        marks=np.array([record.mark for record in records], dtype=np.int8),
        image_ids=_image_ids(file, records, names),
        sizes=image_sizes([(record.width, record.height) for record in records], of_image),
        file_names=names_array(names),
        findings=(*findings, *_odd_boxes(records, raw, image_of_box, widths=widths)),
    )


def _flat(
    records: Sequence[ImageRecord], field: str, width: int | None, where: Callable[[int], str], *, whole: bool
) -> np.ndarray:
    """One field of all records as an array, one row per box or relation; where(row) names its image."""
    rows = list(chain.from_iterable(getattr(record, field) for record in records))
    return number_table(rows, width, whole=whole, where=lambda row: f"{where(row)}: each of {field}")


def image_sizes(sides: Sequence[tuple[Any, Any]], where: Callable[[int], str]) -> np.ndarray:
    """(I, 2) int32 width and height of images. UserError unless they lie between 1 and 2^30; where(image) begins it."""
    sizes = number_table(sides, 2, whole=True, where=lambda row: f"{where(row)}: width and height")
    bad = ((sizes <= 0) | (sizes > _FARTHEST)).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        limit = f" and at most {_FARTHEST}" if (sizes[row] > 0).all() else ""
        raise UserError(
            f"{where(row)}: width and height must be above 0{limit}, found {sizes[row, 0]} x {sizes[row, 1]}"
        )
    return sizes.astype(np.int32).reshape(-1, 2)


def _image_ids(file: Path, records: Sequence[ImageRecord], names: Sequence[str]) -> np.ndarray:
    """(I,) int64, all different, as are the files."""
    check_distinct(file, "image file", names)
    if not any(record.image_id is not None for record in records):
        return ids_from_names(names)
    ids = [image_number(record.image_id, f"{file}, image {record.name}: its id") for record in records]
    check_distinct(file, "image", ids)
    return np.array(ids, dtype=np.int64)


def check_distinct(file: Path, what: str, values: Sequence[int] | Sequence[str]) -> None:
    """UserError if an image is listed twice by these ids or names."""
    if len(set(values)) < len(values):
        seen: set[Any] = set()
        twice = next(value for value in values if value in seen or seen.add(value))
        raise UserError(f"{file}: the {what} {shown(twice)} is listed twice; its boxes and relations would count twice")


def _odd_boxes(records: Sequence[ImageRecord], raw: np.ndarray, images: np.ndarray, *, widths: bool) -> list[Finding]:
    """Boxes of negative size, and boxes that are given in parts of the image."""

    def examples(bad: np.ndarray) -> list[str]:
        return [f"{records[images[row]].name} {np.round(raw[row], 3).tolist()}" for row in np.flatnonzero(bad)[:3]]

    sides = raw[:, 2:] if widths else raw[:, 2:] - raw[:, :2]
    negative = (sides < 0).any(axis=1)
    parts = in_parts(raw)
    percent = 100 * parts.mean() if len(raw) else 0
    share = f"of {len(raw)} boxes ({percent:.1f} %) lie between 0 and 1: pixels are expected, not parts of the image"
    return [
        *found(WARNING, "boxes of negative width or height", examples(negative), int(negative.sum())),
        *found(WARNING, share, examples(parts), int(parts.sum())),
    ]


def _check(what: str, values: np.ndarray, where: Callable[[int], str], low: int, high: Any, shift: int = 0) -> None:
    """UserError unless low <= values <= high; `shift` is added to what the message shows, to speak as the file does."""
    bad = np.argwhere((values < low) | (values > high))
    if len(bad):
        place = tuple(bad[0])
        limit = np.broadcast_to(high, values.shape)[place]
        raise UserError(
            f"{where(place[0])}: {what} must lie between {low + shift} and {limit + shift}, "
            f"found {values[place] + shift}, and {len(bad) - 1} more such"
        )
