"""
How counts become a figure: exactly, over all images, and for the bootstrap over draws of the images.

Every exact mean is a ratio of exact sums (math.fsum), so the order of images leaves no trace.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskrcnn_benchmark.evaluation.records import Counts, Tally

# Draws of the images (S, I), how often each image is in a draw, to a figure of each (S,); NaN where nothing is in it.
Resampler = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Measure(ABC):
    """
    What a figure is: a number at K of a tally of images.

    Args:
        rank: the column of records.COLUMNS that says at which place a relation is found.
        zero_shot: only relations whose labels and predicate never occur together in training.
        third: "head", "body" or "tail": only predicates of this third, which training counts tell.
    """

    rank: str = "rank"
    zero_shot: bool = False
    third: str | None = None

    @abstractmethod
    def value(self, tally: Tally, k: int) -> float | None:
        """The figure; None where nothing was to be found."""

    @abstractmethod
    def resampler(self, tally: Tally, k: int, order: np.ndarray) -> Resampler:
        """The figure of any draws of the images, which are put into this order (I,) first."""

    def by_phrases(self) -> "Measure":
        """The same where a relation is found by the box around both objects."""
        return replace(self, rank=self.rank.replace("rank", "phrase_rank"))

    def _counts(self, tally: Tally, k: int) -> Counts:
        return tally.counts(self.rank, k, self.zero_shot)

    def _table(self, tally: Tally, k: int, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tally.table(self.rank, k, self.zero_shot, order)


@dataclass(frozen=True)
class ImageMean(Measure):
    """R@K: mean over images of found / ground truth. Images without such a relation do not count."""

    def value(self, tally: Tally, k: int) -> float | None:
        found, total = self._counts(tally, k).by_image()
        return mean((found / total).tolist())

    def resampler(self, tally: Tally, k: int, order: np.ndarray) -> Resampler:
        found, total = (table.sum(axis=1) for table in self._table(tally, k, order))
        ratio, has_any = found / np.maximum(total, 1), (total > 0).astype(np.float64)
        return lambda weights: (weights @ ratio) / (weights @ has_any)


@dataclass(frozen=True)
class PooledRatio(Measure):
    """accR@K: found / ground truth, each summed over the whole set."""

    def value(self, tally: Tally, k: int) -> float | None:
        counts = self._counts(tally, k)
        total = int(counts.total.sum())
        return int(counts.found.sum()) / total if total else None

    def resampler(self, tally: Tally, k: int, order: np.ndarray) -> Resampler:
        found, total = (table.sum(axis=1) for table in self._table(tally, k, order))
        return lambda weights: (weights @ found) / (weights @ total)


@dataclass(frozen=True)
class PredicateMean(Measure):
    """
    mR@K: mean over predicates of predicate_recall.

    Args:
        present_only: leave predicates that no image has out of the mean; else they count 0.
    """

    present_only: bool = False

    def value(self, tally: Tally, k: int) -> float | None:
        recalls = predicate_recall(self._counts(tally, k), tally.num_predicates)
        own = [recalls[p - 1] for p in self._predicates(tally)]
        present = [value for value in own if value is not None]
        return math.fsum(present) / (len(present) if self.present_only else len(own)) if present else None

    def resampler(self, tally: Tally, k: int, order: np.ndarray) -> Resampler:
        """
        Rare predicates fall out of many draws. Counting those 0 would put the interval beside the value, so the mean
        runs over the predicates drawn, scaled by the share of all predicates that the whole set has.
        """
        found, total = (table[:, np.array(self._predicates(tally)) - 1] for table in self._table(tally, k, order))
        has_predicate, ratio = (total > 0).astype(np.float64), found / np.maximum(total, 1)
        share = 1.0 if self.present_only else has_predicate.any(axis=0).mean()

        def figure(weights: np.ndarray) -> np.ndarray:
            times = weights @ has_predicate  # (S, P) draws of an image with the predicate
            recalls = (weights @ ratio) / np.maximum(times, 1)
            return share * recalls.sum(axis=1) / (times > 0).sum(axis=1)

        return figure

    def _predicates(self, tally: Tally) -> Sequence[int]:
        if self.third is None:
            return range(1, tally.num_predicates)
        if tally.thirds is None:
            raise ValueError(f"mR of the {self.third} third needs training counts: Figure.applies tells where they are")
        return tally.thirds[self.third]


@dataclass(frozen=True)
class HarmonicMean(Measure):
    """F@K of R@K and mR@K: 0 if both are."""

    def _parts(self) -> tuple[Measure, Measure]:
        return ImageMean(self.rank), PredicateMean(self.rank)

    def value(self, tally: Tally, k: int) -> float | None:
        first, second = (part.value(tally, k) for part in self._parts())
        if first is None or second is None:
            return None
        return 2 * first * second / (first + second) if first + second else 0.0

    def resampler(self, tally: Tally, k: int, order: np.ndarray) -> Resampler:
        first, second = (part.resampler(tally, k, order) for part in self._parts())

        def figure(weights: np.ndarray) -> np.ndarray:
            a, b = first(weights), second(weights)
            return 2 * a * b / np.maximum(a + b, 1e-300)

        return figure


def mean(values: Sequence[float]) -> float | None:
    """Exactly rounded mean; None of nothing."""
    return math.fsum(values) / len(values) if len(values) else None


def predicate_recall(counts: Counts, num_predicates: int) -> list[float | None]:
    """Per predicate without background: mean over the images that have it of found / ground truth; None without any."""
    ratio = counts.found / counts.total
    return [mean(ratio[cells].tolist()) for cells in counts.by_predicate(num_predicates)][1:]


def frequency_thirds(train_counts: np.ndarray) -> dict[str, list[int]]:
    """Head, body, tail: thirds of the predicates by (K,) training relations, equal ones by id, the first larger."""
    order = np.argsort(-np.asarray(train_counts[1:], dtype=np.float64), kind="stable") + 1
    return {name: part.tolist() for name, part in zip(("head", "body", "tail"), np.array_split(order, 3), strict=True)}
