"""The two forms of prediction files (predictions.py describes them): header, ids and arrays of the images of each."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.utils.arrays import ArrayFile, check_array, number_table, refuse_unknown
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import LIST, NAMES, Kind, fields, parse_json, read_json, shown

# Array in the file -> (what counts its rows, whose it is, its key there).
ARRAYS = {
    "pred_boxes": ("n_pred_boxes", "prediction", "boxes"),
    "pred_labels": ("n_pred_boxes", "prediction", "labels"),
    "pred_scores": ("n_pred_boxes", "prediction", "scores"),
    "rel_pair_idxs": ("n_pred_rels", "prediction", "pairs"),
    "pred_rel_scores": ("n_pred_rels", "prediction", "predicate_scores"),
    "pred_rel_terms": ("n_pred_rels", "prediction", "terms"),
    "gt_boxes": ("n_gt_boxes", "groundtruth", "boxes"),
    "gt_labels": ("n_gt_boxes", "groundtruth", "labels"),
    "gt_rels": ("n_gt_rels", "groundtruth", "relations"),
}
# Of a key: its columns (None: it has no second dimension; 0: any number), and whether its numbers are whole.
COLUMNS = {
    "boxes": 4, "labels": None, "scores": None, "pairs": 2, "predicate_scores": 0, "terms": 0, "relations": 3
}  # fmt: skip
WHOLE = ("labels", "pairs", "relations")
# Of npz files alone: what each relation's score is made of, where the model tells.
OPTIONAL = ("pred_rel_terms",)
# What stands in each group of images of an npz; image_wh, their sizes, in published files, for no figure.
_IN_GROUPS = {"image_ids", "image_wh", *ARRAYS, *(rows for rows, *_ in ARRAYS.values())}
_LIST_OF_NAMES = Kind(f"a list of names, {BACKGROUND} first", LIST.holds)  # vocabulary says more of them
# What a header may say: texts and names; and numbers, which an npz has as arrays of its own.
HEADER: dict[str, Kind | type] = {
    "mode": str, "dataset": str, "terms": NAMES, "predicates": _LIST_OF_NAMES, "objects": _LIST_OF_NAMES
}  # fmt: skip
NUMBERS = ("zeroshot_triplets", "train_counts")
# Arrays of an image by key: of its "prediction", and of its "groundtruth", which may be empty.
Sides = dict[str, dict[str, np.ndarray]]


class JsonForm:
    """One object with the list "images"; its header is itself."""

    def __init__(self, path: Path) -> None:
        self._what = f"predictions {path}"
        self.header = read_json(path, dict)
        self._images = self.header.get("images")
        if not isinstance(self._images, list):
            raise UserError(f'{self._what}: expected a JSON object with a list "images"; docs/metrics.md shows one')
        refuse_unknown(self.header, (*HEADER, *NUMBERS, "images"), f"{self._what}: key")

    def ids(self) -> Iterator[Any]:
        """Every image's id as the file has it; None where it has none."""
        for number, image in enumerate(self._images):
            if not isinstance(image, dict):
                raise UserError(f"{self._what}: image {number} (from 0) must be an object, found {shown(image)}")
            yield image.get("image_id")

    def images(self, called: Callable[[int], str]) -> Iterator[Sides]:
        """The arrays of each image; `called` is what the i-th is to be called in messages."""
        columns_of_scores = self._columns_of_scores()
        for number, image in enumerate(self._images):
            where = called(number)
            gt = fields(image, where, groundtruth=dict)[0] if image.get("groundtruth") is not None else None
            sides: Sides = {"prediction": {}, "groundtruth": {}}
            for name, (_, whose, key) in ARRAYS.items():
                source = image if whose == "prediction" else gt
                if source is None or name in OPTIONAL:
                    continue
                rows = fields(source, f"{where}: {whose}", **{key: list})[0]
                columns = COLUMNS[key]
                if columns == 0:
                    columns = len(rows[0]) if rows and isinstance(rows[0], list) else columns_of_scores
                row = partial("{}, row {},".format, f"{where}: {whose} '{key}'")
                table = number_table(rows, columns, whole=key in WHOLE, where=row)
                sides[whose][key] = table if key in WHOLE else table.astype(np.float32)
            yield sides

    def _columns_of_scores(self) -> int:
        """K by the first image with a pair, or by the names: an image without pairs shows none of its columns."""
        scored = (rows for image in self._images if isinstance(rows := image.get("predicate_scores"), list))
        first = next((rows[0] for rows in scored if rows and isinstance(rows[0], list)), None)
        return len(self.header.get("predicates") or () if first is None else first)


class NpzForm:
    """Arrays of all images, in groups, in one or more files with the same header."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self.header = _header_of(files[0])
        for file in files[1:]:
            header = _header_of(file)
            keys = header | self.header
            differ = [key for key in keys if not np.array_equal(header.get(key, ()), self.header.get(key, ()))]
            if differ:
                raise UserError(
                    f"predictions {file}: its '{differ[0]}' is not that of the files before it in the folder; one"
                    " folder holds the predictions of one evaluation"
                )

    def ids(self) -> Iterator[Any]:
        """Every image's id as the file has it; None where it has none."""
        for archive, group in self._groups():
            images = len(_counts(archive, f"{group}n_pred_boxes"))
            if f"{group}image_ids" not in archive:
                yield from [None] * images
                continue
            ids = archive.read(f"{group}image_ids")
            if ids.shape != (images,):
                raise UserError(
                    f"{archive.what}: {group}image_ids is {ids.shape}, expected one for each of {images} images"
                )
            yield from ids.tolist()

    def images(self, _called: Callable[[int], str]) -> Iterator[Sides]:
        """The arrays of each image."""
        for archive, group in self._groups():
            yield from _images_of(archive, group)

    def _groups(self) -> Iterator[tuple[ArrayFile, str]]:
        """Each group of arrays: its file, open, and what its names begin with."""
        for file in self._files:
            with ArrayFile(file, f"predictions {file}") as archive:
                for group in _groups_of(archive):
                    yield archive, group


def _header_of(file: Path) -> dict[str, Any]:
    """What a file says of all its images."""
    with ArrayFile(file, f"predictions {file}") as archive:
        what = archive.what
        if not _groups_of(archive) and "header" not in archive:
            found = ", ".join(archive.names[:8]) or "nothing"
            raise UserError(f"{what}: no array n_pred_boxes; found {found}; docs/metrics.md describes the form")
        alone = [name for name in archive.names if name.rpartition("/")[2] not in _IN_GROUPS]
        refuse_unknown(alone, ("header", *NUMBERS, *sorted(_IN_GROUPS)), f"{what}: array")
        said = parse_json(str(archive.read("header")), dict, f"{what}: header") if "header" in archive else {}
        refuse_unknown(said, (*HEADER, *NUMBERS), f"{what}: header: key")
        stored = {key: archive.read(key) for key in NUMBERS if key in archive}
    return {key: value for key, value in said.items() if value} | stored


def _groups_of(archive: ArrayFile) -> list[str]:
    """What the names of the arrays of each group begin with, such as "00000/"."""
    parted = (name.rpartition("/") for name in archive.names)
    return sorted({folder + slash for folder, slash, name in parted if name in _IN_GROUPS})


def _counts(archive: ArrayFile, name: str) -> np.ndarray:
    """(I,) int64 rows of each image."""
    counts = check_array(np.atleast_1d(archive.read(name)), f"{archive.what}: {name}", whole=True)
    if counts.size and (counts.min() < 0 or counts.max() > 2**31):
        raise UserError(f"{archive.what}: {name} must hold numbers from 0, found {counts.min()} to {counts.max()}")
    return counts.astype(np.int64)


def _images_of(archive: ArrayFile, group: str) -> Iterator[Sides]:
    present = {"prediction"}
    present |= {whose for name, (rows, whose, _) in ARRAYS.items() if {group + name, group + rows} & set(archive.names)}
    counts: dict[str, np.ndarray] = {}
    parts: dict[str, list[np.ndarray]] = {}
    for name, (rows, whose, _) in ARRAYS.items():
        if whose not in present or (name in OPTIONAL and group + name not in archive):
            continue
        if rows not in counts:
            counts[rows] = _counts(archive, group + rows)
        array = np.atleast_1d(archive.read(group + name))
        if len(array) != counts[rows].sum():
            raise UserError(
                f"{archive.what}: {group}{name} has {len(array)} rows, {rows} adds up to {counts[rows].sum()}"
            )
        parts[name] = np.split(array, np.cumsum(counts[rows])[:-1])[: len(counts[rows])]  # of no image none
    if len(set(map(len, counts.values()))) > 1:
        found = ", ".join(f"{name} {len(count)}" for name, count in counts.items())
        raise UserError(f"{archive.what}: arrays of counts must have one entry per image, found {found}")
    for cut in zip(*parts.values(), strict=True):
        sides: Sides = {"prediction": {}, "groundtruth": {}}
        for name, array in zip(parts, cut, strict=True):
            _, whose, key = ARRAYS[name]
            sides[whose][key] = array
        yield sides


def checked_arrays(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Arrays of one side of an image, of the right columns, whole where they must be, no box that is not finite."""
    checked = {}
    for key, array in arrays.items():
        columns = COLUMNS[key]
        if columns == 0:
            columns = array.shape[1] if array.ndim == 2 else -1
        elif columns and array.size == 0 and array.ndim < 2:
            array = array.reshape(0, columns)
        if key not in ("scores", "predicate_scores"):  # the evaluators say more of these
            array = check_array(array, f"{where} '{key}'", columns, whole=key in WHOLE)
        elif array.dtype.kind not in "iuf":
            raise UserError(f"{where} '{key}' must hold numbers, found {array.dtype}")
        checked[key] = array
    return checked
