"""
What the evaluator remembers: a few integers an annotated relation, so that memory follows the ground truth and nothing
is rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# A rank at or above this means: not among the relations that count. The largest K of R@K.
LIMIT = 100

COLUMNS = (
    "predicate",  # annotated
    "zero_shot",  # 1 if its labels and predicate never occur together in training
    "rank",  # place of the first prediction that finds it, one predicate a pair
    "ng_rank",  # the same without graph constraint
    "pair_rank",  # the same among predictions of annotated pairs
    "phrase_rank",  # as rank and ng_rank, with union boxes
    "ng_phrase_rank",
    "predicted",  # predicate given to this pair; 0: the prediction does not hold the pair
)


def new_rows(relations: int) -> np.ndarray:
    """Rows (r, 8) of relations that nothing finds: ranks LIMIT, the rest 0."""
    rows = np.zeros((relations, len(COLUMNS)), dtype=np.int32)
    rows[:, 2:7] = LIMIT
    return rows


class RelationRecords:
    """A table of int32 that grows by images; a row an annotated relation, columns as in COLUMNS."""

    def __init__(self) -> None:
        self._rows = np.zeros((1024, len(COLUMNS)), dtype=np.int32)
        self._used = 0
        self._lengths: list[int] = []

    def append(self, rows: np.ndarray) -> None:
        """Adds an image: rows (r, 8) of its r relations."""
        self._grow(len(rows))[:] = rows
        self._lengths.append(len(rows))

    def extend(self, rows: np.ndarray, lengths: np.ndarray) -> None:
        """Adds whole images: rows (sum of lengths, 8)."""
        self._grow(len(rows))[:] = rows
        self._lengths.extend(int(n) for n in lengths)

    def _grow(self, count: int) -> np.ndarray:
        needed = self._used + count
        if needed > len(self._rows):
            grown = np.zeros((max(needed, 2 * len(self._rows)), len(COLUMNS)), dtype=np.int32)
            grown[: self._used] = self._rows[: self._used]
            self._rows = grown
        rows = self._rows[self._used : needed]
        self._used = needed
        return rows

    @property
    def rows(self) -> np.ndarray:
        """(relations, 8) of all images so far, a view."""
        return self._rows[: self._used]

    @property
    def lengths(self) -> np.ndarray:
        """(images,) relations an image."""
        return np.array(self._lengths, dtype=np.int64)

    def column(self, name: str) -> np.ndarray:
        """(relations,) one column."""
        return self.rows[:, COLUMNS.index(name)]

    def image_of_row(self) -> np.ndarray:
        """(relations,) number of the image of each row."""
        return np.repeat(np.arange(len(self._lengths)), self._lengths)


@dataclass(frozen=True)
class Counts:
    """
    Annotated relations counted by image and predicate; only cells that have any. Dims: C cells, at most one an image
    and predicate.
    """

    image: np.ndarray  # (C,)
    predicate: np.ndarray  # (C,)
    total: np.ndarray  # (C,) annotated
    found: np.ndarray  # (C,) of these within the first K predictions

    def by_image(self) -> tuple[np.ndarray, np.ndarray]:
        """Found and annotated relations of each image that has any, (images,) each."""
        _, at = np.unique(self.image, return_inverse=True)
        return np.bincount(at, self.found).astype(np.int64), np.bincount(at, self.total).astype(np.int64)

    def by_predicate(self, num_predicates: int) -> Iterator[np.ndarray]:
        """For each predicate, background first: the positions of its cells."""
        order = np.argsort(self.predicate, kind="stable")
        bounds = np.searchsorted(self.predicate[order], np.arange(num_predicates + 1))
        return (order[first:last] for first, last in zip(bounds[:-1], bounds[1:], strict=True))


def count(records: RelationRecords, rank: str, k: int, *, zero_shot: bool = False) -> Counts:
    """Counts the relations whose `rank` column is below k; with zero_shot only those never seen in training."""
    keep = records.column("zero_shot") == 1 if zero_shot else slice(None)
    image, predicate = records.image_of_row()[keep], records.column("predicate")[keep].astype(np.int64)
    width = int(predicate.max(initial=0)) + 1
    cells, at = np.unique(image * width + predicate, return_inverse=True)
    found = np.bincount(at, records.column(rank)[keep] < k, minlength=len(cells)).astype(np.int64)
    return Counts(*np.divmod(cells, width), np.bincount(at, minlength=len(cells)), found)
