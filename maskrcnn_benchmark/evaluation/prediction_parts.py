"""The parts of a prediction file (predictions.py describes it), each checked where it is read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.arrays import ArrayFile, check_array
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import fields, number_table, parse_json, read_json, shown

# Array in the file -> (what counts its rows, whose it is, its key there, columns).
ARRAYS = {
    "pred_boxes": ("n_pred_boxes", "prediction", "boxes", 4),
    "pred_labels": ("n_pred_boxes", "prediction", "labels", None),
    "pred_scores": ("n_pred_boxes", "prediction", "scores", None),
    "rel_pair_idxs": ("n_pred_rels", "prediction", "pairs", 2),
    "pred_rel_scores": ("n_pred_rels", "prediction", "predicate_scores", -1),
    "pred_rel_terms": ("n_pred_rels", "prediction", "terms", -1),
    "gt_boxes": ("n_gt_boxes", "groundtruth", "boxes", 4),
    "gt_labels": ("n_gt_boxes", "groundtruth", "labels", None),
    "gt_rels": ("n_gt_rels", "groundtruth", "relations", 3),
}
# What stands in each group of images.
_IN_GROUPS = {"image_ids", *ARRAYS, *(rows for rows, *_ in ARRAYS.values())}
# What the header says that figures depend on.
_HEADER = ("mode", "dataset", "predicates", "objects", "terms", "zeroshot_triplets", "train_counts")
FLOATS = ("pred_boxes", "pred_scores", "pred_rel_scores", "pred_rel_terms", "gt_boxes")
# Of npz files alone: what each relation's score is made of, where the model tells.
OPTIONAL = ("pred_rel_terms",)


def read_document(path: Path) -> dict[str, Any]:
    """The JSON form: an object with the list "images"."""
    content = read_json(path, dict)
    if not isinstance(content.get("images"), list):
        raise UserError(f'predictions {path}: expected a JSON object with a list "images"; docs/metrics.md shows one')
    return content


def text_of(header: Mapping[str, Any], key: str, what: str) -> str:
    """A text of the header, empty where it has none; `what` begins messages."""
    value = header.get(key) or ""
    if not isinstance(value, str):
        raise UserError(f"{what}: '{key}' must be text, found {shown(value)}")
    return value


def terms_of(header: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """Names of the header's terms; none where it has none."""
    values = header.get("terms") or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UserError(f"{what}: 'terms' must be a list of names, found {shown(values)}")
    return tuple(values)


def names_of(header: Mapping[str, Any], key: str, what: str) -> tuple[str, ...]:
    """Names of the header, background first; none where it has none."""
    values = header.get(key) or []
    if not isinstance(values, list):
        raise UserError(f"{what}: '{key}' must be a list of names, {BACKGROUND} first, found {shown(values)}")
    return vocabulary(values, f"{what}, {key}", with_background=True) if values else ()


def optional_array(header: Mapping[str, Any], key: str, columns: int | None, what: str) -> np.ndarray | None:
    """Whole numbers (n,) or (n, columns) of the header; None where it has none."""
    values = header.get(key)
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        return check_array(values, f"{what}: '{key}'", columns, whole=True)
    rows = fields(header, what, **{key: list})[0]
    return number_table(rows, columns, whole=True, where=lambda row: f"{what}: '{key}', row {row},")


def distinct_ids(given: Sequence[Any], what: str) -> list[int | str]:
    """Ids as numbers, or as text where they are none; positions where no image has one."""
    if not any(image_id is not None for image_id in given):
        return list(range(len(given)))
    ids: list[int | str] = []
    places: dict[int, int] = {}
    for number, image_id in enumerate(given):
        try:
            key = image_number(image_id)
        except ValueError as error:
            raise UserError(f"{what}: image {number} (from 0): image_id {error}") from error
        if key in places:
            raise UserError(
                f"{what}: image {shown(image_id)} is there twice, at {places[key]} and {number} (from 0), and would"
                " count twice; runs of several processes must not fill their last batch"
            )
        places[key] = number
        text = isinstance(image_id, str) and not (image_id.isascii() and image_id.isdigit())
        ids.append(image_id if text else key)
    return ids


def groups_of(archive: ArrayFile) -> list[str]:
    """What the names of the arrays of each group begin with, such as "00000/"."""
    parted = (name.rpartition("/") for name in archive.names)
    return sorted({folder + slash for folder, slash, name in parted if name in _IN_GROUPS})


def read_header(files: Sequence[Path]) -> dict[str, Any]:
    """What the headers of npz files say together. UserError if one is no predictions, or contradicts another."""
    header: dict[str, Any] = {}
    for file in files:
        for key, value in _header_of(file).items():
            known = header.setdefault(key, value)
            if not (np.array_equal(known, value) if isinstance(value, np.ndarray) else known == value):
                raise UserError(
                    f"predictions {file}: its '{key}' is not that of the files before it in the folder; one folder"
                    " holds the predictions of one evaluation"
                )
    return header


def _header_of(file: Path) -> dict[str, Any]:
    what = f"predictions {file}"
    with ArrayFile(file, what) as archive:
        if not groups_of(archive) and "header" not in archive:
            found = ", ".join(archive.names[:8]) or "nothing"
            raise UserError(f"{what}: no array n_pred_boxes; found {found}; docs/metrics.md describes the form")
        header = parse_json(str(archive.read("header")), dict, f"{what}: header") if "header" in archive else {}
        stored = {key: archive.read(key) for key in ("zeroshot_triplets", "train_counts") if key in archive}
    return {key: header[key] for key in _HEADER if header.get(key)} | stored


def counts_of(archive: ArrayFile, name: str, file: Path) -> np.ndarray:
    """(I,) int64 rows of each image."""
    counts = check_array(np.atleast_1d(archive.read(name)), f"predictions {file}: {name}", whole=True)
    if counts.size and (counts.min() < 0 or counts.max() > 2**31):
        raise UserError(f"predictions {file}: {name} must hold numbers from 0, found {counts.min()} to {counts.max()}")
    return counts.astype(np.int64)


def group_images(archive: ArrayFile, group: str, file: Path) -> Iterator[dict[str, dict[str, np.ndarray]]]:
    """The images of one group of arrays."""
    with_groundtruth = f"{group}n_gt_boxes" in archive
    counts: dict[str, np.ndarray] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for name, (rows, whose, _, _) in ARRAYS.items():
        if (whose == "groundtruth" and not with_groundtruth) or (name in OPTIONAL and group + name not in archive):
            continue
        if rows not in counts:
            counts[rows] = counts_of(archive, group + rows, file)
        array = np.atleast_1d(archive.read(group + name))
        if len(array) != counts[rows].sum():
            raise UserError(
                f"predictions {file}: {group}{name} has {len(array)} rows, {rows} adds up to {counts[rows].sum()}"
            )
        parts[name] = np.split(array, np.cumsum(counts[rows])[:-1])
    images = len(counts["n_pred_boxes"])
    if any(len(count) != images for count in counts.values()):
        found = ", ".join(f"{name} {len(count)}" for name, count in counts.items())
        raise UserError(f"predictions {file}: arrays of counts must be one entry an image, found {found}")
    for i in range(images):
        sides: dict[str, dict[str, np.ndarray]] = {"prediction": {}, "groundtruth": {}}
        for name, cut in parts.items():
            _, whose, key, _ = ARRAYS[name]
            sides[whose][key] = cut[i]
        yield sides


def checked_arrays(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """
    Arrays of one side of an image, with the right number of columns; whole numbers where they must be, no box that is
    not finite.
    """
    kinds = {key: (name, columns) for name, (_, _, key, columns) in ARRAYS.items()}
    checked = {}
    for key, array in arrays.items():
        name, columns = kinds[key]
        if columns == -1:
            columns = array.shape[1] if array.ndim == 2 else -1
        if array.size == 0 and array.ndim < 2 and columns is not None and columns > 0:
            array = array.reshape(0, columns)
        if name not in ("pred_scores", "pred_rel_scores"):  # the evaluators say more of these
            array = check_array(array, f"{where} '{key}'", columns, whole=name not in FLOATS)
        elif array.dtype.kind not in "iuf":
            raise UserError(f"{where} '{key}' must hold numbers, found {array.dtype}")
        checked[key] = array
    return checked
