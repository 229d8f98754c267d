"""FREQ against its formula, pair by pair."""

import numpy as np
import pytest

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.evaluation.frequency import FrequencyBaseline
from maskrcnn_benchmark.utils.errors import UserError


def make_meta(foreground, background):
    objects, predicates = (["__background__"] + [f"{kind}{i}" for i in range(1, n)] for kind, n in (("o", 4), ("p", 5)))
    return DatasetMeta(objects, predicates, fg_matrix=foreground, bg_matrix=background)


def test_each_pair_has_its_conditional_frequencies_and_an_unseen_one_the_overall_ones():
    rng = np.random.default_rng(0)
    foreground = rng.integers(0, 5, (4, 4, 5))
    foreground[:, :, 0] = 0
    background = rng.integers(0, 30, (4, 4))
    foreground[1, 2], background[1, 2] = 0, 0  # never seen
    foreground[2, 2] = 0  # seen, never related
    background[2, 2] = 7
    background[3, 1], foreground[3, 1, 4] = 0, 3  # always related
    baseline = FrequencyBaseline(make_meta(foreground, background))
    subjects, objects = (x.ravel() for x in np.meshgrid(range(4), range(4), indexing="ij"))
    scores = baseline.predicate_scores(subjects, objects)
    assert scores.shape == (16, 5)
    for s, o, row in zip(subjects, objects, scores, strict=True):
        counts, total = foreground[s, o], foreground[s, o].sum() + background[s, o]
        if (s, o) == (1, 2):
            counts, total = foreground.sum((0, 1)), foreground.sum() + background.sum()
        for k in range(1, 5):
            assert row[k] == pytest.approx(counts[k] / total, rel=1e-6)
        assert row[0] == pytest.approx(1 - counts.sum() / total, abs=1e-6)
    assert (scores >= 0).all()


def test_statistics_are_needed():
    with pytest.raises(UserError, match="training statistics"):
        FrequencyBaseline(make_meta(None, None))
    with pytest.raises(UserError, match="training statistics"):
        FrequencyBaseline(make_meta(np.zeros((4, 4, 5), int), np.ones((4, 4), int)))
