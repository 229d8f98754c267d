"""
Visual Genome's scene graph files (VG150 as published by Zellers et al. and Tang et al.) and any data set in their
layout.

The h5 file is read once into flat arrays and closed: worker processes share the arrays, and no handle is carried into
them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.annotations import Annotations, expand_ranges, offsets
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Files, Format, Published
from maskrcnn_benchmark.data.datasets.records import check_distinct, image_sizes
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS, AnnotationSource, names_array
from maskrcnn_benchmark.data.findings import WARNING, Finding, found
from maskrcnn_benchmark.data.image_ids import image_file_name, image_number
from maskrcnn_benchmark.data.names import check_table, clean_name, vocabulary
from maskrcnn_benchmark.utils.arrays import check_array, number_table, read_h5
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import ANY, IDENTIFIER, fields, is_whole, read_json, shown

BOX_SCALE = 1024
# Visual Genome's images that do not decode; without them image_data.json lines up with the h5 files.
_CORRUPT_IMAGES = (1592, 1722, 4616, 4617)
_REQUIRED = (
    "split", "img_to_first_box", "img_to_last_box", "img_to_first_rel", "img_to_last_rel", "labels",
    f"boxes_{BOX_SCALE}", "relationships", "predicates",
)  # fmt: skip

# Sizes of numbers that the arrays in memory take.
_LARGEST, _LARGEST_ATTRIBUTE = 2**30, 2**15 - 1


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
    annotation_file: str | Path,
    dict_file: str | Path,
    image_data_file: str | Path | None,
    exclude_images: tuple[int, ...] = (),
) -> AnnotationSource:
    """
    Reads the files of the layout. `image_data_file` None leaves sizes, ids and attributes out, which is enough for
    statistics.

    Raises:
        UserError: a file that is missing or damaged, indices or ids that point outside, image_data.json of another
            length than the h5.
    """
    annotation_file, dict_file = Path(annotation_file), Path(dict_file)
    tables = read_json(dict_file, dict)
    required = {"label": True, "predicate": True, "attribute": False}
    objects, predicates, attributes = (_names(tables, kind, dict_file, needed) for kind, needed in required.items())
    annotations, marks, findings = _read_h5(annotation_file, with_attributes=image_data_file is not None)
    for what, ids, names in (
        ("labels", annotations.labels, objects),
        ("predicates", annotations.relations[:, 2], predicates),
    ):
        bad = np.flatnonzero((ids < 1) | (ids >= len(names)))
        if len(bad):
            raise UserError(
                f"{annotation_file}: {what} must lie between 1 and {len(names) - 1} (the names in {dict_file}), found"
                f" {ids[bad[0]]} in row {bad[0]} and {len(bad) - 1} more such; the two files do not belong together or"
                " are damaged"
            )
    if annotations.attributes is not None:
        least, largest = int(annotations.attributes.min(initial=0)), int(annotations.attributes.max(initial=0))
        named = max(len(attributes) - 1, 0)
        if least < 0 or largest > named:
            odd = least if least < 0 else largest
            raise UserError(f"{annotation_file}: attribute {odd} found, but {dict_file} names {named} attributes")
    image_ids = sizes = file_names = None
    if image_data_file is not None:
        image_ids, sizes, file_names = _read_image_data(Path(image_data_file), exclude_images)
        if len(image_ids) != len(marks):
            raise UserError(
                f"{image_data_file} has {len(image_ids)} images (without those left out by id), {annotation_file} has"
                f" {len(marks)}: they are matched by position, so the numbers must agree; take both from one release"
            )
    return AnnotationSource(
        annotation_file, objects, predicates, attributes, annotations, marks, image_ids, sizes, file_names,
        box_scale=BOX_SCALE, overlapping_statistics=True, predicate_totals=_totals(tables, dict_file, predicates),
        findings=tuple(findings),
    )  # fmt: skip


def _names(tables: dict[str, Any], kind: str, file: Path, required: bool) -> tuple[str, ...]:
    """The names of `<kind>_to_idx`, background first, which `idx_to_<kind>` must not contradict."""
    key, back = f"{kind}_to_idx", f"idx_to_{kind}"
    if not required and not tables.get(key):
        return ()
    table = fields(tables, str(file), **{key: dict})[0]
    number_table(
        list(table.values()), None, whole=True, where=lambda row: f"{file}, {key}: the id of {shown(list(table)[row])}"
    )
    by_id = sorted((int(index), name) for name, index in table.items())
    if [index for index, _ in by_id] != list(range(1, len(by_id) + 1)):
        ids = [index for index, _ in by_id]
        raise UserError(
            f"{file}: the ids in '{key}' must run from 1 to {len(by_id)} without gaps, found {ids[:5]} ... {ids[-1:]}"
        )
    names = vocabulary([name for _, name in by_id], f"{file}, {key}")
    if back in tables:
        check_table(names, key, fields(tables, str(file), **{back: dict})[0].items(), back, file)
    return names


def _totals(tables: dict[str, Any], dict_file: Path, predicates: tuple[str, ...]) -> np.ndarray | None:
    """`predicate_count` of the dictionary as (K,) int64, 0 for the background; None where it has no such table."""
    if not tables.get("predicate_count"):
        return None
    given = fields(tables, str(dict_file), predicate_count=dict)[0]
    table = {clean_name(name, f"{dict_file}, predicate_count"): count for name, count in given.items()}
    if len(table) < len(given) or table.keys() - set(predicates):
        raise UserError(f"{dict_file}: 'predicate_count' must have every predicate once and nothing else")
    wrong = [name for name in predicates[1:] if not is_whole(table.get(name)) or not 0 <= table[name] < 2**53]
    if wrong:
        said = f"{shown(table.get(wrong[0]))} for {shown(wrong[0])}"
        raise UserError(f"{dict_file}: 'predicate_count' must give every predicate a whole number, found {said}")
    return np.array([0, *(table[name] for name in predicates[1:])], dtype=np.int64)


def _read_image_data(file: Path, exclude: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids (I,), sizes (I, 2) width and height, and file names (I,) where an entry gives one."""
    ids, sides, names, named = [], [], [], False
    for position, entry in enumerate(read_json(file, list)):
        where = f"{file}, entry {position} (from 0)"
        image_id, width, height = fields(entry, where, image_id=IDENTIFIER, width=ANY, height=ANY)
        number = image_number(image_id, f"{where}: image_id")
        if number in exclude:
            continue
        usual = f"{number}.jpg"
        name = entry.get("file_name")
        if name is None:
            name = f"{image_id}.jpg" if isinstance(image_id, str) else usual
        if name != usual:
            name = image_file_name(name, f"{where} (image_id {shown(image_id)}): file_name")
            named = True
        ids.append(number)
        sides.append((width, height))
        names.append(name)
    sizes = image_sizes(sides, lambda row: f"{file}, image {ids[row]}")
    check_distinct(file, "image", ids)
    check_distinct(file, "image file", names)
    return np.array(ids, dtype=np.int64), sizes, names_array(names) if named else None


def _read_h5(file: Path, *, with_attributes: bool) -> tuple[Annotations, np.ndarray, list[Finding]]:
    """Annotations in the order of the file, the split marks (I,), and what is odd."""
    arrays = read_h5(file, _REQUIRED, ("attributes",) if with_attributes else ())
    for key, array in arrays.items():
        widest = array.shape[-1] if array.ndim else 0
        columns = {f"boxes_{BOX_SCALE}": 4, "relationships": 2, "attributes": widest}.get(key)
        if array.size == 0 and columns is not None:
            array = array.reshape(-1, max(columns, 1))
        arrays[key] = array = check_array(array, f"{file}: '{key}'", columns, whole=True)
        largest, limit = int(np.abs(array).max(initial=0)), _LARGEST_ATTRIBUTE if key == "attributes" else _LARGEST
        if largest > limit:
            raise UserError(
                f"{file}: '{key}' must hold numbers up to {limit}, found one of size {largest}; the file is damaged"
            )
    marks = arrays["split"]
    odd = np.flatnonzero(~np.isin(marks, list(SPLIT_MARKS.values())))
    if len(odd):
        raise UserError(
            f"{file}: 'split' must be 0 (train), 1 (val) or 2 (test), found {marks[odd[0]]} at image {odd[0]} (from 0)"
        )
    annotations, findings = _annotations(arrays, file)
    negative = (annotations.boxes[:, 2:] < annotations.boxes[:, :2]).any(axis=1)
    rows = [f"row {row}" for row in np.flatnonzero(negative)[:3]]
    findings += found(WARNING, "boxes of negative width or height", rows, int(negative.sum()))
    return annotations, marks.astype(np.int8), findings


def _annotations(arrays: dict[str, np.ndarray], file: Path) -> tuple[Annotations, list[Finding]]:
    images = len(arrays["split"])
    boxes, labels = arrays[f"boxes_{BOX_SCALE}"], arrays["labels"]
    relationships, predicates = arrays["relationships"], arrays["predicates"]
    attributes = arrays.get("attributes")
    for key, like in (("labels", boxes), ("predicates", relationships), ("attributes", boxes)):
        if key in arrays and len(arrays[key]) != len(like):
            raise UserError(f"{file}: '{key}' has {len(arrays[key])} rows, expected {len(like)}")
    box_first, box_count = _ranges(arrays, "box", images, len(boxes), file)
    rel_first, rel_count = _ranges(arrays, "rel", images, len(relationships), file)
    box_rows, rel_rows = expand_ranges(box_first, box_count), expand_ranges(rel_first, rel_count)
    findings = _unowned("box", box_rows, len(boxes), file) + _unowned("rel", rel_rows, len(relationships), file)
    ends = relationships[rel_rows] - np.repeat(box_first, rel_count)[:, None]
    outside = ((ends < 0) | (ends >= np.repeat(box_count, rel_count)[:, None])).any(axis=1)
    if outside.any():
        row = int(rel_rows[np.flatnonzero(outside)[0]])
        raise UserError(
            f"{file}: relationship {row} joins boxes {relationships[row].tolist()}, which are not among its image's"
            f" boxes, and {int(outside.sum()) - 1} more such; the file is damaged"
        )
    annotations = Annotations(
        boxes=decode_boxes(_rows(boxes, box_rows)),
        labels=_rows(labels, box_rows).astype(np.int32),
        box_start=offsets(box_count),
        relations=np.concatenate([ends, predicates[rel_rows, None]], axis=1).astype(np.int32),
        rel_start=offsets(rel_count),
        attributes=None if attributes is None else _rows(attributes, box_rows).astype(np.int16),
    )
    return annotations, findings


def _unowned(what: str, rows: np.ndarray, total: int, file: Path) -> list[Finding]:
    """A finding where some of `total` rows are no image's. UserError if one is several images'."""
    owners = np.bincount(rows, minlength=total)
    if (owners > 1).any():
        raise UserError(
            f"{file}: img_to_first_{what} and img_to_last_{what} give {what} row {int(np.argmax(owners > 1))} to more"
            " than one image; the file is damaged"
        )
    left = np.flatnonzero(owners == 0)
    named = {"box": "boxes", "rel": "relations"}[what]
    return found(WARNING, f"{named} that are no image's, left out", [f"row {row}" for row in left[:3]], len(left))


def _rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """array[rows], without a copy where that is the whole array in order."""
    whole = len(rows) == len(array) and np.array_equal(rows, np.arange(len(array)))
    return array if whole else array[rows]


def _ranges(arrays: dict[str, np.ndarray], what: str, images: int, rows: int, file: Path) -> tuple[np.ndarray, ...]:
    """First row and number of rows (I,) of each image, from the inclusive ranges of the file, where -1 is none."""
    first, last = (arrays[f"img_to_{end}_{what}"].astype(np.int64) for end in ("first", "last"))
    if len(first) != images or len(last) != images:
        raise UserError(
            f"{file}: img_to_first_{what} and img_to_last_{what} must have {images} rows as 'split' has, found"
            f" {len(first)} and {len(last)}"
        )
    none = (first == -1) & (last == -1)
    bad = ~none & ((first < 0) | (last < first) | (last >= rows))
    if bad.any():
        image = int(np.flatnonzero(bad)[0])
        raise UserError(
            f"{file}: image {image} (counted from 0) has {what} rows {first[image]} to {last[image]}, but there are"
            f" {rows} rows; {int(bad.sum()) - 1} more such; the file is damaged"
        )
    return np.where(none, 0, first), np.where(none, 0, last - first + 1)


def decode_boxes(encoded: np.ndarray) -> np.ndarray:
    """
    (n, 4) integers centre x and y, width, height -> (n, 4) int32 xyxy: x1 = trunc(cx - w / 2), x2 = x1 + w; likewise
    y. (101, 57, 33, 21) -> (84, 46, 117, 67).
    """
    encoded = encoded.astype(np.int32)
    corners = np.empty_like(encoded)
    corners[:, :2] = np.trunc(encoded[:, :2] - encoded[:, 2:] / 2)
    corners[:, 2:] = corners[:, :2] + encoded[:, 2:]
    return corners


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:
    """As read_vg, of a catalog entry."""
    image_data = None if statistics_only else entry.files["image_data"]
    return read_vg(entry.files["annotations"], entry.files["dicts"], image_data, entry.exclude_images)


def _files(folder: Path, split: str) -> dict[str, Path]:  # noqa: ARG001 (one set of files for all splits)
    return {
        "images": folder / "VG_100K",
        "image_data": folder / "image_data.json",
        "dicts": folder / "VG-SGG-dicts-with-attri.json",
        "annotations": folder / "VG-SGG-with-attri.h5",
    }


def _files_without_attributes(folder: Path, split: str) -> dict[str, Path]:
    older = {"dicts": folder / "VG-SGG-dicts.json", "annotations": folder / "VG-SGG.h5"}
    return _files(folder, split) | older


def _published(stem: str, files: Files) -> Published:
    return Published(stem=stem, folder="vg", num_val=5000, exclude_images=_CORRUPT_IMAGES, files=files)


FORMAT = Format(
    name="vg",
    files=_files,
    read=read_entry,
    names_file="dicts",
    published=(
        _published("VG_stanford_filtered_with_attribute", _files),
        _published("VG_stanford_filtered", _files_without_attributes),
        Published(stem="scenes", folder="scenes", num_val=100, made_by="python tools/make_demo_dataset.py"),
    ),
    is_own_folder=lambda folder: (folder / "image_data.json").exists(),
)
