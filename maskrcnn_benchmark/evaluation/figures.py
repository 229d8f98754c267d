"""
From counts to the figures of the tables. Every mean is a ratio of exact sums (math.fsum), so the order of images leaves
no trace.
"""

import math
from collections.abc import Sequence

import numpy as np

from maskrcnn_benchmark.evaluation.records import Counts


def mean(values: Sequence[float]) -> float | None:
    """Exactly rounded mean; None of nothing."""
    return math.fsum(values) / len(values) if len(values) else None


def recall(counts: Counts) -> float | None:
    """
    R@K: mean over images of found / annotated. Images without annotated relations do not count; None if no image has
    any.
    """
    found, total = counts.by_image()
    return mean((found / total).tolist())


def pooled_recall(counts: Counts) -> float | None:
    """accR@K: found / annotated, each summed over the whole set."""
    total = int(counts.total.sum())
    return int(counts.found.sum()) / total if total else None


def predicate_recall(counts: Counts, num_predicates: int) -> list[float | None]:
    """
    For each predicate, the background left out: mean over the images that have it of found / annotated; None if no
    image has it.
    """
    ratio = counts.found / counts.total
    return [mean(ratio[cells].tolist()) for cells in counts.by_predicate(num_predicates)][1:]


def mean_recall(per_predicate: Sequence[float | None], *, present_only: bool = False) -> float | None:
    """
    mR@K: mean over predicates; one that no image has counts 0, or not at all with present_only. None if there is no
    relation at all.
    """
    present = [value for value in per_predicate if value is not None]
    if not present:
        return None
    return math.fsum(present) / (len(present) if present_only else len(per_predicate))


def harmonic_mean(first: float | None, second: float | None) -> float | None:
    """F@K of R@K and mR@K: 0 if both are."""
    if first is None or second is None:
        return None
    return 2 * first * second / (first + second) if first + second else 0.0


def frequency_thirds(train_counts: np.ndarray) -> dict[str, list[int]]:
    """
    Head, body and tail: thirds of the predicates by training frequency, descending, equal ones by id; the first thirds
    take what is over.

    Args:
        train_counts: (K,) training relations a predicate; the background's entry is not read.
    """
    order = np.argsort(-np.asarray(train_counts[1:], dtype=np.float64), kind="stable") + 1
    return {name: part.tolist() for name, part in zip(("head", "body", "tail"), np.array_split(order, 3), strict=True)}
