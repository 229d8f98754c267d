"""
Visual Genome's scene graph files (VG150 as published by Zellers et al. and Tang et al.) and any data set in their layout.

The h5 file is read once into flat arrays and closed: worker processes share the arrays, and no handle is carried into them.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.annotations import Annotations, expand_ranges, offsets
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.records import read_json
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, check_ids, names_array, with_background
from maskrcnn_benchmark.utils.errors import UserError

BOX_SCALE = 1024
_REQUIRED = ("split", "img_to_first_box", "img_to_last_box", "img_to_first_rel", "img_to_last_rel", "labels", f"boxes_{BOX_SCALE}",
             "relationships", "predicates")  # fmt: skip


class VGDataset(SceneGraphDataset):
    """
    One split of a data set in Visual Genome's layout. What an item holds: SceneGraphDataset.

    Args:
        split: "train", "val" or "test".
        image_dir: folder of <image id>.jpg.
        annotation_file: VG-SGG-with-attri.h5.
        dict_file: VG-SGG-dicts-with-attri.json.
        image_data_file: image_data.json.
        num_val: how many training images, from the first, are val; a 1 in the file's `split` wins.
        exclude_images: ids of entries of image_data.json that the h5 file does not have.
        options: those of SceneGraphDataset.
    Raises:
        UserError: a file that is missing, damaged or does not fit another; the message names it.
    """

    def __init__(
        self,
        split: str,
        *,
        image_dir: str | Path,
        annotation_file: str | Path,
        dict_file: str | Path,
        image_data_file: str | Path,
        num_val: int | None = None,
        exclude_images: tuple[int, ...] = (),
        **options: Any,
    ):
        source = read_vg(annotation_file, dict_file, image_data_file, exclude_images)
        super().__init__(source, split, image_dir=image_dir, num_val=num_val, **options)


def read_vg(
    annotation_file: str | Path, dict_file: str | Path, image_data_file: str | Path | None, exclude_images: tuple[int, ...] = ()
) -> AnnotationSource:
    """
    Reads the files of the layout. `image_data_file` None leaves sizes, ids and attributes out, which is enough for statistics.

    Raises:
        UserError: a file that is missing or damaged, indices or ids that point outside, image_data.json of another length than the h5.
    """
    annotation_file, dict_file = Path(annotation_file), Path(dict_file)
    objects, predicates, attributes = read_vg_names(dict_file)
    annotations, marks = _read_h5(annotation_file, with_attributes=image_data_file is not None)
    check_ids(annotations.labels, objects, "labels", annotation_file, dict_file)
    check_ids(annotations.relations[:, 2], predicates, "predicates", annotation_file, dict_file)
    if annotations.attributes is not None:
        largest, named = int(annotations.attributes.max(initial=0)), max(len(attributes) - 1, 0)
        if largest > named:
            raise UserError(f"{annotation_file}: attribute {largest} found, but {dict_file} names {named} attributes")
    image_ids = sizes = file_names = None
    if image_data_file is not None:
        image_ids, sizes, file_names = _read_image_data(Path(image_data_file), exclude_images)
        if len(image_ids) != len(marks):
            raise UserError(
                f"{image_data_file} has {len(image_ids)} images (without those left out by id), {annotation_file} has {len(marks)}: "
                "they are matched by position, so the numbers must agree; take both from one release"
            )
    return AnnotationSource(
        annotation_file, objects, predicates, attributes, annotations, marks, image_ids, sizes, file_names,
        box_scale=BOX_SCALE, overlapping_statistics=True, predicate_totals=_read_totals(dict_file, predicates),
    )  # fmt: skip


def read_vg_names(dict_file: str | Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of objects, predicates and attributes, background first; attributes are empty where the file has none."""
    tables = read_json(Path(dict_file), dict)
    return tuple(_names(tables, key, Path(dict_file), required) for key, required in
                 (("label_to_idx", True), ("predicate_to_idx", True), ("attribute_to_idx", False)))  # fmt: skip


def _names(tables: dict[str, Any], key: str, file: Path, required: bool) -> tuple[str, ...]:
    if key not in tables and required:
        raise UserError(f"{file}: no table '{key}'; found {', '.join(tables) or 'none'}")
    if not tables.get(key):
        return ()
    by_id = sorted((index, name) for name, index in tables[key].items())
    if [index for index, _ in by_id] != list(range(1, len(by_id) + 1)):
        found = [index for index, _ in by_id]
        raise UserError(f"{file}: the ids in '{key}' must run from 1 to {len(by_id)} without gaps, found {found[:5]} ... {found[-1]}")
    return with_background([name for _, name in by_id])


def _read_totals(dict_file: Path, predicates: tuple[str, ...]) -> np.ndarray | None:
    """`predicate_count` of the dictionary as (K,) int64, 0 for the background; None where it has no such table."""
    table = read_json(dict_file, dict).get("predicate_count")
    if not table:
        return None
    wrong = [name for name in predicates[1:] if type(table.get(name)) is not int or table[name] < 0]
    if wrong:
        found = f"{table.get(wrong[0])!r} for {wrong[0]!r}"
        raise UserError(f"{dict_file}: 'predicate_count' must give every predicate a whole number, found {found}")
    return np.array([0, *(table[name] for name in predicates[1:])], dtype=np.int64)


def _read_image_data(file: Path, exclude: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids (I,), sizes (I, 2) width and height, and file names (I,) where an entry gives one."""
    entries = read_json(file, list)
    left_out = set(exclude)
    try:
        entries = [entry for entry in entries if entry["image_id"] not in left_out]
        ids = np.array([entry["image_id"] for entry in entries], dtype=np.int64)
        sizes = np.array([(entry["width"], entry["height"]) for entry in entries], dtype=np.int32).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{file}: every entry needs the numbers image_id, width and height ({type(error).__name__}: {error})") from error
    if (sizes <= 0).any():
        row = int(np.flatnonzero((sizes <= 0).any(axis=1))[0])
        raise UserError(f"{file}: image {ids[row]} has width and height {tuple(sizes[row].tolist())}; both must be above 0")
    if not any("file_name" in entry for entry in entries):
        return ids, sizes, None
    return ids, sizes, names_array([entry.get("file_name", f"{entry['image_id']}.jpg") for entry in entries])


def _read_h5(file: Path, *, with_attributes: bool) -> tuple[Annotations, np.ndarray]:
    """Annotations in the order of the file, and the split marks (I,)."""
    if not file.exists():
        raise UserError(f"{file}: no such file; DATASET.md says where to get it")
    try:
        with h5py.File(file, "r") as content:
            missing = [key for key in _REQUIRED if key not in content]
            if missing:
                raise UserError(f"{file}: no array {', '.join(missing)}; found {', '.join(content) or 'none'}")
            optional = ["attributes"] if with_attributes and "attributes" in content else []
            arrays = {key: content[key][()] for key in (*_REQUIRED, *optional)}
    except OSError as error:
        raise UserError(f"{file}: is not a readable HDF5 file ({error}); fetch it again") from error
    return _annotations(arrays, file), arrays["split"].reshape(-1).astype(np.int8)


def _annotations(arrays: dict[str, np.ndarray], file: Path) -> Annotations:
    images = len(arrays["split"].reshape(-1))
    boxes, labels = arrays[f"boxes_{BOX_SCALE}"].reshape(-1, 4), arrays["labels"].reshape(-1)
    relationships, predicates = arrays["relationships"].reshape(-1, 2), arrays["predicates"].reshape(-1)
    attributes = arrays.get("attributes")
    for key, rows, expected in (("labels", len(labels), len(boxes)), ("predicates", len(predicates), len(relationships)),
                                ("attributes", len(boxes) if attributes is None else len(attributes), len(boxes))):  # fmt: skip
        if rows != expected:
            raise UserError(f"{file}: '{key}' has {rows} rows, expected {expected}")
    box_first, box_count = _ranges(arrays, "box", images, len(boxes), file)
    rel_first, rel_count = _ranges(arrays, "rel", images, len(relationships), file)
    box_rows, rel_rows = expand_ranges(box_first, box_count), expand_ranges(rel_first, rel_count)
    ends = relationships[rel_rows] - np.repeat(box_first, rel_count)[:, None]
    outside = ((ends < 0) | (ends >= np.repeat(box_count, rel_count)[:, None])).any(axis=1)
    if outside.any():
        row = int(rel_rows[np.flatnonzero(outside)[0]])
        raise UserError(
            f"{file}: relationship {row} joins boxes {relationships[row].tolist()}, which are not among its image's boxes, and "
            f"{int(outside.sum()) - 1} more such; the file is damaged"
        )
    return Annotations(
        boxes=decode_boxes(_rows(boxes, box_rows)),
        labels=_rows(labels, box_rows).astype(np.int32),
        box_start=offsets(box_count),
        relations=np.concatenate([ends, predicates[rel_rows, None]], axis=1).astype(np.int32),
        rel_start=offsets(rel_count),
        attributes=None if attributes is None else _rows(attributes, box_rows).astype(np.int16),
    )


def _rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """array[rows], without a copy where that is the whole array in order."""
    whole = len(rows) == len(array) and np.array_equal(rows, np.arange(len(array)))
    return array if whole else array[rows]


def _ranges(arrays: dict[str, np.ndarray], what: str, images: int, rows: int, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """First row and number of rows (I,) of each image, from the inclusive ranges of the file, where -1 is none."""
    first = arrays[f"img_to_first_{what}"].reshape(-1).astype(np.int64)
    last = arrays[f"img_to_last_{what}"].reshape(-1).astype(np.int64)
    if len(first) != images or len(last) != images:
        raise UserError(
            f"{file}: img_to_first_{what} and img_to_last_{what} must have {images} rows as 'split' has, found {len(first)} and {len(last)}"
        )
    none = first < 0
    bad = np.where(none, last >= 0, (last < first) | (last >= rows))
    if bad.any():
        image = int(np.flatnonzero(bad)[0])
        raise UserError(
            f"{file}: image {image} (counted from 0) has {what} rows {first[image]} to {last[image]}, but there are {rows} rows; "
            f"{int(bad.sum()) - 1} more such; the file is damaged"
        )
    return np.where(none, 0, first), np.where(none, 0, last - first + 1)


def decode_boxes(encoded: np.ndarray) -> np.ndarray:
    """
    Corners of boxes that are kept as centre and size: x1 = trunc(cx - w / 2), x2 = x1 + w, likewise y.

    (n, 4) integers centre x, centre y, width, height -> (n, 4) int32 xyxy. (101, 57, 33, 21) -> (84, 46, 117, 67).
    """
    encoded = encoded.astype(np.int32)
    corners = np.empty_like(encoded)
    corners[:, :2] = np.trunc(encoded[:, :2] - encoded[:, 2:] / 2)
    corners[:, 2:] = corners[:, :2] + encoded[:, 2:]
    return corners


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:
    """The annotations of a catalog entry of kind "vg"."""
    image_data = None if statistics_only else entry.files["image_data"]
    return read_vg(entry.files["annotations"], entry.files["dicts"], image_data, entry.exclude_images)
