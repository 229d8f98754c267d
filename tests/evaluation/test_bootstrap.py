"""The bootstrap's vectorised resampling against evaluators that are fed each resample image by image."""

import numpy as np
import pytest

from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.bootstrap import _Resampled, bootstrap, paired_bootstrap
from maskrcnn_benchmark.evaluation.figures import harmonic_mean
from maskrcnn_benchmark.utils.errors import UserError
from tests.evaluation.scenes import predict, random_image, truth


@pytest.fixture
def images():
    rng = np.random.default_rng(5)
    made = [random_image(rng, "predcls", boxes=5, relations=4, repeats=2) for _ in range(30)]
    return made + [random_image(rng, "predcls", boxes=3, relations=0)]


def fed(images, ids=None):
    evaluator = SceneGraphEvaluator("predcls", 5, zeroshot_triplets=[[1, 1, 1], [2, 1, 3]])
    for i, image in enumerate(images):
        evaluator.update(*image, image_id=None if ids is None else ids[i])
    return evaluator


@pytest.mark.parametrize(
    ("prefix", "metric"), [("", "R"), ("", "mR"), ("", "zR"), ("", "F"), ("ng-", "R"), ("ng-", "mR"), ("ng-", "zR")]
)
def test_weights_are_repetitions_of_images(images, prefix, metric):
    """
    Where a draw lacks a predicate, mR is the mean over the others, times the share of predicates that the whole set
    has.
    """
    rng = np.random.default_rng(1)
    few = images[:6]
    share = 4 - fed(few).summary()["choices"]["predicates_absent"]
    resampled = _Resampled(fed(few), prefix + metric, 20, np.arange(6))
    lost = 0
    for _ in range(20):
        weights = np.bincount(rng.integers(6, size=6), minlength=6)
        repeated = fed([image for image, times in zip(few, weights, strict=True) for _ in range(times)]).summary()
        lost += repeated["choices"]["predicates_absent"] > 4 - share
        expected = repeated[f"{prefix}{metric}"]["20"]
        if metric in ("mR", "F"):
            mean_recall = repeated[f"{prefix}mR-present"]["20"] * share / 4
            recall = repeated[f"{prefix}R"]["20"]
            expected = mean_recall if metric == "mR" else harmonic_mean(recall, mean_recall)
        value = resampled.figure(weights[None].astype(float))[0]
        assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-12)
    assert lost


def test_a_model_does_not_differ_from_itself_whatever_the_order_of_images(images):
    ids = [f"image {i}" for i in range(len(images))]
    result = paired_bootstrap(fed(images, ids), fed(images[::-1], ids[::-1]), samples=100)
    assert result["difference"] == pytest.approx(0, abs=1e-12)
    assert result["low"] == pytest.approx(0, abs=1e-12) and result["high"] == pytest.approx(0, abs=1e-12)


def test_a_clear_difference_is_beyond_the_interval_and_repeats_with_the_seed(images):
    better = []
    for _, groundtruth in images:
        best = {(int(s), int(o)): {int(p): 0.9} for s, o, p in groundtruth["relations"]}
        better.append((predict(groundtruth, best), groundtruth))
    for metric in ("R", "mR", "F"):
        result = paired_bootstrap(fed(better), fed(images), metric=metric, k=20, samples=400, seed=3)
        assert 0 < result["low"] < result["difference"] < result["high"]
        assert result == paired_bootstrap(fed(better), fed(images), metric=metric, k=20, samples=400, seed=3)
        assert result["a"] == pytest.approx(fed(better).summary()[metric]["20"], abs=1e-12)


def test_the_interval_of_a_proportion_is_the_binomial_one():
    scene = truth([[0, 0, 9, 9], [20, 0, 29, 9]], [1, 2], [[0, 1, 1]])
    images = [(predict(scene, {(0, 1): {1 if i < 100 else 2: 0.9}}), scene) for i in range(400)]
    result = bootstrap(fed(images), metric="R", samples=4000)
    spread = 1.96 * (0.25 * 0.75 / 400) ** 0.5
    assert result["value"] == 0.25
    assert result["low"] == pytest.approx(0.25 - spread, abs=0.006)
    assert result["high"] == pytest.approx(0.25 + spread, abs=0.006)


def test_what_cannot_be_compared_is_an_error(images):
    with pytest.raises(UserError, match="R, mR, zR, F"):
        paired_bootstrap(fed(images), fed(images), metric="A")
    with pytest.raises(UserError, match="1 images are in one evaluator only, such as 30"):
        paired_bootstrap(fed(images), fed(images[:-1]))
    with pytest.raises(UserError, match="other annotations"):
        paired_bootstrap(fed(images), fed(images[::-1]))
    merged = fed(images)
    merged.merge(fed(images))
    with pytest.raises(UserError, match="repeat"):
        paired_bootstrap(merged, fed(images))
    with pytest.raises(UserError, match="no image"):
        bootstrap(fed([]))
