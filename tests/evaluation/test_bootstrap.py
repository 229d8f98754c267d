"""The bootstrap's vectorised resampling against evaluators that are fed each resample image by image."""

from statistics import harmonic_mean

import numpy as np
import pytest

from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.bootstrap import bootstrap, paired_bootstrap
from maskrcnn_benchmark.evaluation.figures import main_figures
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


PRESENT = {"mR": "mR-present", "ng-mR": "ng-mR-present"}


@pytest.mark.parametrize("metric", [name for name in main_figures() if "mR-" not in name or "present" in name])
def test_weights_are_repetitions_of_images(images, metric):
    """
    Where a draw lacks a predicate, mR is the mean over the others, times the share of predicates that the whole set
    has.
    """
    rng = np.random.default_rng(1)
    few = fed(images[:6])
    share = (4 - few.summary()["choices"]["predicates_absent"]) / 4
    resampled = main_figures()[metric].measure.resampler(few.tally(), 20, np.arange(6))
    lost = 0
    for _ in range(20):
        weights = np.bincount(rng.integers(6, size=6), minlength=6)
        repeated = fed([image for image, times in zip(images, weights, strict=False) for _ in range(times)]).summary()
        lost += repeated["choices"]["predicates_absent"] > 4 * (1 - share)
        expected = repeated[metric]["20"]
        if metric in PRESENT:
            expected = repeated[PRESENT[metric]]["20"] * share
        elif metric == "F":
            expected = harmonic_mean([repeated["R"]["20"], repeated["mR-present"]["20"] * share])
        with np.errstate(invalid="ignore"):
            value = resampled(weights[None].astype(float))[0]
        assert np.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-12)
    assert lost


def test_a_third_of_the_predicates_is_resampled_alone(images):
    evaluator = SceneGraphEvaluator("predcls", 5, train_counts=[0, 9, 7, 5, 3])
    for image in images:
        evaluator.update(*image)
    whole = evaluator.summary()
    for third in ("head", "body", "tail"):
        result = bootstrap(evaluator, f"mR-{third}", 20, samples=50)
        assert result["value"] == pytest.approx(whole[f"mR-{third}"]["20"], abs=1e-12)
        assert result["low"] <= result["value"] <= result["high"]


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
    without_zero_shot = SceneGraphEvaluator("predcls", 5)
    without_zero_shot.update(*images[0])
    with pytest.raises(UserError, match="one of R, mR, F, zR"):
        paired_bootstrap(fed(images), fed(images), metric="precision")
    with pytest.raises(UserError, match="1 images are in one evaluator only, such as 30"):
        paired_bootstrap(fed(images), fed(images[:-1]))
    with pytest.raises(UserError, match="other ground truth"):
        paired_bootstrap(fed(images), fed(images[::-1]))
    merged = fed(images)
    merged.merge(fed(images))
    with pytest.raises(UserError, match="repeat"):
        paired_bootstrap(merged, fed(images))
    with pytest.raises(UserError, match="no image"):
        bootstrap(fed([]))
    with pytest.raises(UserError, match="zR has no value"):
        bootstrap(without_zero_shot, "zR")
    with pytest.raises(UserError, match="number of draws must be at least 1, got -5"):
        bootstrap(fed(images), samples=-5)
