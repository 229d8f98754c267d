"""What the evaluator remembers: a few integers per ground-truth relation, so that nothing is rounded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_benchmark.evaluation.inputs import as_array, check_predicates
from maskrcnn_benchmark.utils.arrays import check_array
from maskrcnn_benchmark.utils.errors import UserError

# A rank at or above this means: not among the relations that count. The largest K of R@K.
LIMIT = 100

COLUMNS = (
    "predicate",  # of the ground truth
    "zero_shot",  # 1 if its labels and predicate never occur together in training
    "rank",  # place of the first prediction that finds it, one predicate a pair
    "ng_rank",  # the same without graph constraint
    "pair_rank",  # the same among predictions of ground-truth pairs
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
    """A table of int32 that grows by images; a row per relation of the ground truth, columns as in COLUMNS."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._lengths: list[int] = []

    @classmethod
    def read(cls, rows: Any, lengths: Any, num_predicates: int) -> "RelationRecords":
        """Of arrays or tensors from a file. UserError if they cannot be such a table and its lengths."""
        table = check_array(as_array(rows), "counts of relations", len(COLUMNS), whole=True)
        each = check_array(as_array(lengths), "numbers of relations", whole=True)
        if each.min(initial=0) < 0 or each.sum() != len(table):
            raise UserError(f"{len(table)} relations are counted, the images have {each.sum()}")
        check_predicates("counts of relations", table[:, 0], num_predicates)
        if table[:, 1:].min(initial=0) < 0 or table[:, -1].max(initial=0) >= num_predicates:
            raise UserError("counts of relations: a rank or a predicted predicate is out of range")
        records = cls()
        records.extend(table.astype(np.int32), each.tolist())
        return records

    def extend(self, rows: np.ndarray, lengths: Sequence[int]) -> None:
        """Adds images: rows (sum of lengths, 8), which are kept as they are."""
        self._parts.append(rows)
        self._lengths.extend(lengths)

    @property
    def rows(self) -> np.ndarray:
        """(relations, 8) of all images so far."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate([new_rows(0), *self._parts])]
        return self._parts[0]

    @property
    def lengths(self) -> np.ndarray:
        """(images,) relations per image."""
        return np.array(self._lengths, dtype=np.int64)

    def column(self, name: str) -> np.ndarray:
        """(relations,) one column."""
        return self.rows[:, COLUMNS.index(name)]


@dataclass(frozen=True)
class Counts:
    """Ground-truth relations by image and predicate. Dims: C cells, one per image and predicate that it has."""

    image: np.ndarray  # (C,)
    predicate: np.ndarray  # (C,)
    total: np.ndarray  # (C,) in the ground truth
    found: np.ndarray  # (C,) of these within the first K predictions

    def by_image(self) -> tuple[np.ndarray, np.ndarray]:
        """Found and ground-truth relations of each image that has any, (images,) each."""
        _, at = np.unique(self.image, return_inverse=True)
        return np.bincount(at, self.found).astype(np.int64), np.bincount(at, self.total).astype(np.int64)

    def by_predicate(self, num_predicates: int) -> Iterator[np.ndarray]:
        """For each predicate, background first: the positions of its cells."""
        order = np.argsort(self.predicate, kind="stable")
        bounds = np.searchsorted(self.predicate[order], np.arange(num_predicates + 1))
        return (order[first:last] for first, last in zip(bounds[:-1], bounds[1:], strict=True))


class Tally:
    """
    What an evaluator's images amount to; each count is made once. Dims: I images, P predicates without background.

    Args:
        num_predicates: the background counted.
        thirds: ids of the predicates of "head", "body" and "tail"; None where training counts are not known.
    """

    def __init__(self, records: RelationRecords, num_predicates: int, thirds: dict[str, list[int]] | None) -> None:
        self.num_predicates, self.thirds = num_predicates, thirds
        self._records = records
        self._counted: dict[tuple[str, int, bool], Counts] = {}

    def counts(self, rank: str, k: int, zero_shot: bool = False) -> Counts:
        """The relations whose `rank` column is below k, k at most 100; with zero_shot only those never in training."""
        if not 1 <= k <= LIMIT:
            raise UserError(f"recall is kept for K from 1 to {LIMIT}, asked for {k}")
        key = (rank, k, zero_shot)
        if key not in self._counted:
            self._counted[key] = self._count(*key)
        return self._counted[key]

    def table(self, rank: str, k: int, zero_shot: bool, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Found and ground-truth relations, (I, P) each, of the images in this order (I,)."""
        counts = self.counts(rank, k, zero_shot)
        found, total = np.zeros((2, len(self._records.lengths), self.num_predicates))
        found[counts.image, counts.predicate] = counts.found
        total[counts.image, counts.predicate] = counts.total
        return found[order, 1:], total[order, 1:]

    def _count(self, rank: str, k: int, zero_shot: bool) -> Counts:
        column = self._records.column
        keep = column("zero_shot") == 1 if zero_shot else slice(None)
        image = np.repeat(np.arange(len(self._records.lengths)), self._records.lengths)[keep]
        predicate = column("predicate")[keep].astype(np.int64)
        width = int(predicate.max(initial=0)) + 1
        cells, at = np.unique(image * width + predicate, return_inverse=True)
        found = np.bincount(at, column(rank)[keep] < k, minlength=len(cells)).astype(np.int64)
        return Counts(*np.divmod(cells, width), np.bincount(at, minlength=len(cells)), found)
