"""The parts that both forms of prediction files have (predictions.py describes them), and their checks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.arrays import check_array
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import LIST, NAMES, TEXT, Kind, fields, number_table, shown

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
# What the header says that figures depend on.
HEADER = ("mode", "dataset", "predicates", "objects", "terms", "zeroshot_triplets", "train_counts")
LIST_OF_NAMES = Kind(f"a list of names, {BACKGROUND} first,", LIST.holds)  # vocabulary says more of them
# Of npz files alone: what each relation's score is made of, where the model tells.
OPTIONAL = ("pred_rel_terms",)


def names_in(header: Mapping[str, Any], what: str) -> list[Any]:
    """mode, dataset, terms, predicates and objects of a header, empty where it has none; `what` begins messages."""
    kinds = {"mode": TEXT, "dataset": TEXT, "terms": NAMES, "predicates": LIST_OF_NAMES, "objects": LIST_OF_NAMES}
    said = {key: header.get(key) or ("" if kind is TEXT else []) for key, kind in kinds.items()}
    *others, predicates, objects = fields(said, what, **kinds)
    return [
        *others,
        *(
            vocabulary(values, f"{what}, {key}", with_background=True) if values else ()
            for key, values in (("predicates", predicates), ("objects", objects))
        ),
    ]


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
        key = image_number(image_id, f"{what}: image {number} (from 0): image_id")
        if key in places:
            raise UserError(
                f"{what}: image {shown(image_id)} is there twice, at {places[key]} and {number} (from 0), and would"
                " count twice; runs of several processes must not fill their last batch"
            )
        places[key] = number
        text = isinstance(image_id, str) and not (image_id.isascii() and image_id.isdigit())
        ids.append(image_id if text else key)
    return ids


def checked_arrays(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """
    Arrays of one side of an image, with the right number of columns; whole numbers where they must be, no box that is
    not finite.
    """
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
