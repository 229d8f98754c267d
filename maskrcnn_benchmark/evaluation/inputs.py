"""The arrays of one image as the evaluators take them: numpy, of known dtypes and lengths, or one readable error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_benchmark.utils.arrays import check_array
from maskrcnn_benchmark.utils.errors import UserError

# A triplet of labels and predicate fits one 64-bit integer.
MAX_CLASSES = 1 << 20


def as_array(values: Any) -> np.ndarray:
    """A numpy array of a numpy array, a list or a torch tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.dtype.is_floating_point and values.dtype.itemsize < 4:
            values = values.float()  # numpy has no bfloat16, and half-precision products would tie
        return values.numpy()
    return np.asarray(values)


def _take(source: Mapping[str, Any], key: str, whose: str, dtype: type | None, columns: int | None) -> np.ndarray:
    """source[key] as (n,) or, with `columns`, (n, columns) of a dtype (None: float32 or float64, as it comes)."""
    if key not in source:
        raise UserError(f"{whose} has no '{key}'; it holds {', '.join(sorted(source)) or 'nothing'}")
    try:
        array = as_array(source[key])
    except ValueError as error:
        raise UserError(f"{whose}['{key}'] must be an array of numbers ({error})") from error
    if columns is not None and array.size == 0 and array.ndim < 2:
        array = array.reshape(0, columns)  # an empty list has no second dimension
    expected = 1 if columns is None else 2
    if array.ndim != expected or (columns is not None and array.shape[1] != columns):
        shape = "(n,)" if columns is None else f"(n, {columns})"
        raise UserError(f"{whose}['{key}'] must be {shape}, got {array.shape}")
    if dtype is None:
        dtype = np.float64 if array.dtype == np.float64 else np.float32
    if array.dtype.kind not in "iuf":
        raise UserError(f"{whose}['{key}'] must hold {'whole ' if dtype is np.int64 else ''}numbers, got {array.dtype}")
    if key == "boxes" or dtype is np.int64:
        array = check_array(array, f"{whose}['{key}']", columns, whole=dtype is np.int64)
    return np.ascontiguousarray(array, dtype=dtype)


def _same_length(whose: str, **arrays: np.ndarray) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(
            f"{whose}: these must be of one length, got {', '.join(f'{name} {n}' for name, n in lengths.items())}"
        )


def predicate_names_of(num_predicates: int, names: Sequence[str] | None, whose: str) -> list[str]:
    """K names, background first; their numbers where none are given. UserError if they are more or fewer."""
    if names is not None and len(names) != num_predicates:
        raise UserError(
            f"{whose}: predicate_names has {len(names)} entries, num_predicates is {num_predicates} (background"
            " counted)"
        )
    return [str(i) for i in range(num_predicates)] if names is None else list(names)


def order_of(image_ids: Sequence[int | str]) -> list[int]:
    """Positions of images in the order of their ids, numbers before text."""
    return sorted(range(len(image_ids)), key=lambda i: (isinstance(image_ids[i], str), image_ids[i]))


def check_labels(whose: str, labels: np.ndarray, classes: int = MAX_CLASSES) -> None:
    """UserError unless every label is that of one of these classes, the background (0) counted."""
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise UserError(f"{whose} labels run from {labels.min()} to {labels.max()}, there are {classes} classes")


def check_predicates(whose: str, predicates: np.ndarray, num_predicates: int) -> None:
    """UserError unless every one is a predicate, and not the background (0)."""
    if predicates.size and not 1 <= predicates.min() <= predicates.max() < num_predicates:
        raise UserError(
            f"{whose} names predicates {predicates.min()} to {predicates.max()}, they must lie in 1 to"
            f" {num_predicates - 1} (0 is the background)"
        )


def _check_rows(whose: str, key: str, rows: np.ndarray, boxes: int) -> None:
    if rows.size and (rows.min() < 0 or rows.max() >= boxes):
        raise UserError(
            f"{whose}['{key}'] points at boxes {rows.min()} to {rows.max()}, there are {boxes} (counted from 0)"
        )


@dataclass(frozen=True)
class GroundTruth:
    """boxes (n, 4) float32 xyxy, labels (n,), relations (r, 3) subject row, object row, predicate."""

    boxes: np.ndarray
    labels: np.ndarray
    relations: np.ndarray

    @classmethod
    def read(cls, source: Mapping[str, Any], num_predicates: int) -> "GroundTruth":
        """UserError: a missing key, another shape or length, a row without a box, or a predicate out of range."""
        boxes = _take(source, "boxes", "ground truth", np.float32, 4)
        labels = _take(source, "labels", "ground truth", np.int64, None)
        relations = _take(source, "relations", "ground truth", np.int64, 3)
        _same_length("ground truth", boxes=boxes, labels=labels)
        _check_rows("ground truth", "relations", relations[:, :2], len(boxes))
        check_labels("ground truth", labels)
        check_predicates("ground truth['relations']", relations[:, 2], num_predicates)
        return cls(boxes, labels, relations)


@dataclass(frozen=True)
class Prediction:
    """
    What a model says of an image: boxes (n, 4) float32, labels (n,), scores (n,) or None (all 1), pairs (m, 2) rows of
    the boxes, predicate_scores (m, K) float32 or float64 with the background in column 0.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None
    pairs: np.ndarray
    predicate_scores: np.ndarray

    @classmethod
    def read(cls, source: Mapping[str, Any], num_predicates: int, given: GroundTruth | None = None) -> "Prediction":
        """
        Args:
            given: PredCls: objects are these, with scores of 1, whatever the prediction says of them.
        Raises:
            UserError: a missing key, another shape or length, a row without a box, scores that are negative or not
                finite (the background's column is not read).
        """
        pairs = _take(source, "pairs", "prediction", np.int64, 2)
        probabilities = _take(source, "predicate_scores", "prediction", None, num_predicates)
        _same_length("prediction", pairs=pairs, predicate_scores=probabilities)
        if given is not None:
            boxes, labels, scores = given.boxes, given.labels, None
        else:
            boxes = _take(source, "boxes", "prediction", np.float32, 4)
            labels = _take(source, "labels", "prediction", np.int64, None)
            scores = _take(source, "scores", "prediction", probabilities.dtype.type, None)
            _same_length("prediction", boxes=boxes, labels=labels, scores=scores)
            check_labels("prediction", labels)
            _check_scores("scores", scores)
        _check_scores("predicate_scores", probabilities[:, 1:])
        _check_rows("prediction", "pairs", pairs, len(boxes))
        return cls(boxes, labels, scores, pairs, probabilities)


def _check_scores(key: str, scores: np.ndarray) -> None:
    """UserError unless these scores of a prediction can be probabilities."""
    if scores.size and not (scores.min() >= 0 and scores.max() < np.inf):  # a NaN fails both comparisons
        raise UserError(
            f"prediction['{key}'] must be finite and not negative (probabilities, not logits), got {scores.min()} to"
            f" {scores.max()}"
        )
