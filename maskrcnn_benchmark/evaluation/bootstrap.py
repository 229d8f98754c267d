"""How far a figure may be chance: images drawn anew with replacement, for two models the same images."""

from collections.abc import Iterator

import numpy as np

from maskrcnn_benchmark.evaluation.averages import Measure, Resampler
from maskrcnn_benchmark.evaluation.figures import main_figures
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.seeding import numpy_generator

# Images times samples of weights that are in memory at a time.
_BLOCK = 4_000_000


def _weights(images: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks (s, I) of how often each image was drawn."""
    generator = numpy_generator(seed)
    step = max(1, _BLOCK // max(images, 1))
    for first in range(0, samples, step):
        rows = min(step, samples - first)
        drawn = generator.integers(images, size=(rows, images)) + np.arange(rows)[:, None] * images
        yield np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _measure(metric: str, evaluator: SceneGraphEvaluator, samples: int) -> Measure:
    """The measure of a figure that this evaluator has; UserError for any other, or without draws."""
    if samples < 1:
        raise UserError(f"bootstrap: the number of draws must be at least 1, got {samples}")
    tally = evaluator.tally()
    known = {
        name: figure.measure
        for name, figure in main_figures().items()
        if figure.measure is not None and figure.applies(evaluator.mode, tally)
    }
    if metric not in known:
        raise UserError(f"bootstrap: metric must be one of {', '.join(known)}, got '{metric}'")
    if not len(evaluator.records.rows):
        raise UserError("bootstrap: no image has a ground-truth relation")
    return known[metric]


def _drawn(resampler: Resampler, weights: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # NaN of a draw in which nothing is to be found
        return resampler(weights)


def _whole(resampler: Resampler, images: int, metric: str) -> float:
    """The figure of all images, once each."""
    value = float(_drawn(resampler, np.ones((1, images)))[0])
    if np.isnan(value):
        raise UserError(f"bootstrap: {metric} has no value on these images, nothing was to be found")
    return value


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def bootstrap(
    evaluator: SceneGraphEvaluator, metric: str = "mR", k: int = 50, samples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """
    "value", "low" and "high": a figure with its 95 % interval, by the percentiles of `samples` draws of the images.

    Raises:
        UserError: a metric that is none of figures.main_figures or not the mode's, or nothing to be found.
    """
    measure, images = _measure(metric, evaluator, samples), len(evaluator.image_ids)
    resampler = measure.resampler(evaluator.tally(), k, np.arange(images))
    value = _whole(resampler, images, metric)
    low, high = _interval(np.concatenate([_drawn(resampler, weights) for weights in _weights(images, samples, seed)]))
    return {"value": value, "low": low, "high": high}


def paired_bootstrap(
    evaluator_a: SceneGraphEvaluator,
    evaluator_b: SceneGraphEvaluator,
    metric: str = "mR",
    k: int = 50,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """
    "difference" a - b of a figure, "low" and "high" of its 95 % interval over the same draws of the images, paired by
    image_id; and "a", "b", the two figures.

    Raises:
        UserError: an unknown metric, or evaluators of different modes, or that saw different images or ground truth.
    """
    measure = _measure(metric, evaluator_a, samples)
    if evaluator_a.mode != evaluator_b.mode:
        raise UserError(
            f"paired bootstrap: figures of {evaluator_a.mode} and of {evaluator_b.mode} are not to be compared"
        )
    orders = _paired_order(evaluator_a, evaluator_b)
    tallies = evaluator_a.tally(), evaluator_b.tally()
    totals = [tally.table("rank", k, measure.zero_shot, order)[1] for tally, order in zip(tallies, orders, strict=True)]
    if not np.array_equal(totals[0], totals[1]):
        raise UserError(
            "paired bootstrap: an image has other ground truth in one evaluator than in the other; both must see one"
            " data set"
        )
    a, b = (measure.resampler(tally, k, order) for tally, order in zip(tallies, orders, strict=True))
    images = len(orders[0])
    value_a, value_b = (_whole(resampler, images, metric) for resampler in (a, b))
    differences = [_drawn(a, weights) - _drawn(b, weights) for weights in _weights(images, samples, seed)]
    low, high = _interval(np.concatenate(differences))
    return {"difference": value_a - value_b, "low": low, "high": high, "a": value_a, "b": value_b}


def _paired_order(a: SceneGraphEvaluator, b: SceneGraphEvaluator) -> tuple[np.ndarray, np.ndarray]:
    """The images of both in one order, however they came: sharded evaluators draw the same samples."""
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
    rows_a, rows_b = (np.array([place[image_id] for image_id in order], np.int64) for place in (place_a, place_b))
    return rows_a, rows_b
