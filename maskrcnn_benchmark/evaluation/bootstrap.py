"""How far a figure may be chance: images drawn anew with replacement, for two models the same images."""

from collections.abc import Callable
from typing import Any

import numpy as np

from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.seeding import numpy_generator

METRICS = ("R", "mR", "zR", "F")
# Images times samples of weights that are in memory at a time.
_BLOCK = 4_000_000


class _Resampled:
    """
    One evaluator's counts at K in a form that any weights of the images turn into figures.

    Dims: I images, P predicates without background, S samples.
    """

    def __init__(self, evaluator: SceneGraphEvaluator, metric: str, k: int, image_order: np.ndarray) -> None:
        base = metric.removeprefix("ng-")
        ng, images, predicates = metric != base, len(evaluator.image_ids), evaluator.num_predicates
        self.figure: Callable[[np.ndarray], np.ndarray] = {
            "R": self._recall,
            "zR": self._recall,
            "mR": self._mean_recall,
            "F": self._f,
        }[base]
        counts = evaluator.counts(k, ng=ng, zero_shot=base == "zR")
        found, total = np.zeros((2, images, predicates))
        found[counts.image, counts.predicate] = counts.found
        total[counts.image, counts.predicate] = counts.total
        found, total = found[image_order, 1:], total[image_order, 1:]
        self.has_predicate = (total > 0).astype(np.float64)  # (I, P)
        self.predicate_ratio = found / np.maximum(total, 1)
        self.has_any = (total.sum(axis=1) > 0).astype(np.float64)  # (I,)
        self.ratio = found.sum(axis=1) / np.maximum(total.sum(axis=1), 1)

    def _recall(self, weights: np.ndarray) -> np.ndarray:
        """Weights (S, I) -> figures (S,); NaN for a sample in which nothing was to be found."""
        with np.errstate(invalid="ignore"):
            return (weights @ self.ratio) / (weights @ self.has_any)

    def _mean_recall(self, weights: np.ndarray) -> np.ndarray:
        """
        As _recall. Rare predicates fall out of many draws; counting those 0, as predicates absent from the whole set
        are, would put the interval beside the value. So the mean runs over the predicates drawn, and is scaled by the
        share that the whole set has.
        """
        times = weights @ self.has_predicate  # (S, P) draws of an image with the predicate
        recalls = (weights @ self.predicate_ratio) / np.maximum(times, 1)
        share = self.has_predicate.any(axis=0).mean()
        with np.errstate(invalid="ignore"):
            return share * recalls.sum(axis=1) / (times > 0).sum(axis=1)

    def _f(self, weights: np.ndarray) -> np.ndarray:
        recall, mean_recall = self._recall(weights), self._mean_recall(weights)
        return 2 * recall * mean_recall / np.maximum(recall + mean_recall, 1e-300)


def _weights(images: int, samples: int, seed: int) -> Any:
    """Blocks (s, I) of how often each image was drawn."""
    generator = numpy_generator(seed)
    step = max(1, _BLOCK // max(images, 1))
    for first in range(0, samples, step):
        rows = min(step, samples - first)
        drawn = generator.integers(images, size=(rows, images)) + np.arange(rows)[:, None] * images
        yield np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _check(metric: str, evaluator: SceneGraphEvaluator) -> None:
    if metric.removeprefix("ng-") not in METRICS or metric == "ng-F":
        raise UserError(
            f"bootstrap: metric must be one of {', '.join(METRICS)}, or ng- before the first three, got '{metric}'"
        )
    if not len(evaluator.records.rows):
        raise UserError("bootstrap: no image has an annotated relation")


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def bootstrap(
    evaluator: SceneGraphEvaluator, metric: str = "mR", k: int = 50, samples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """
    A figure with its 95 % interval, by the percentiles of `samples` draws of the images.

    Args:
        metric: "R", "mR", "zR" or "F" at k, "ng-R", "ng-mR", "ng-zR".
    Returns:
        "value", "low", "high".
    Raises:
        UserError: an unknown metric, or nothing to be found.
    """
    _check(metric, evaluator)
    images = len(evaluator.image_ids)
    resampled = _Resampled(evaluator, metric, k, np.arange(images))
    values = np.concatenate([resampled.figure(weights) for weights in _weights(images, samples, seed)])
    low, high = _interval(values)
    return {"value": float(resampled.figure(np.ones((1, images)))[0]), "low": low, "high": high}


def paired_bootstrap(
    evaluator_a: SceneGraphEvaluator,
    evaluator_b: SceneGraphEvaluator,
    metric: str = "mR",
    k: int = 50,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """
    The difference a - b of a figure with its 95 % interval; both are computed on the same draws of the images, paired
    by image_id.

    Returns:
        "difference", "low", "high"; and "a", "b", the two figures.
    Raises:
        UserError: an unknown metric, or evaluators that saw different images or annotations.
    """
    _check(metric, evaluator_a)
    order_a, order_b = _paired_order(evaluator_a, evaluator_b)
    a, b = _Resampled(evaluator_a, metric, k, order_a), _Resampled(evaluator_b, metric, k, order_b)
    if not np.array_equal(a.has_predicate, b.has_predicate):
        raise UserError(
            "paired bootstrap: an image has other annotations in one evaluator than in the other; both must see one"
            " data set"
        )
    differences = np.concatenate(
        [a.figure(weights) - b.figure(weights) for weights in _weights(len(order_a), samples, seed)]
    )
    low, high = _interval(differences)
    value_a, value_b = (float(x.figure(np.ones((1, len(order_a))))[0]) for x in (a, b))
    return {"difference": value_a - value_b, "low": low, "high": high, "a": value_a, "b": value_b}


def _paired_order(a: SceneGraphEvaluator, b: SceneGraphEvaluator) -> tuple[np.ndarray, np.ndarray]:
    """
    The images of both in one order, which does not depend on how they came: sharded evaluators draw the same samples.
    """
    place_a, place_b = ({image_id: place for place, image_id in enumerate(x.image_ids)} for x in (a, b))
    for whose, evaluator, place in (("first", a, place_a), ("second", b, place_b)):
        if len(place) < len(evaluator.image_ids):
            raise UserError(
                f"paired bootstrap: image ids of the {whose} evaluator repeat; merged ones need update(...,"
                " image_id=...)"
            )
    if place_a.keys() != place_b.keys():
        only = sorted(map(str, place_a.keys() ^ place_b.keys()))
        raise UserError(
            f"paired bootstrap: {len(only)} images are in one evaluator only, such as {', '.join(only[:3])}"
        )
    order = sorted(place_a, key=lambda image_id: (isinstance(image_id, str), image_id))
    return tuple(np.array([place[image_id] for image_id in order], dtype=np.int64) for place in (place_a, place_b))
