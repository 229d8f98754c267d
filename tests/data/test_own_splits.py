"""How own images are shared out between training, val and test."""

import numpy as np
import pytest

from maskrcnn_benchmark.data.custom.split import draw_splits, split_sizes
from maskrcnn_benchmark.utils.errors import UserError


@pytest.mark.parametrize(
    ("images", "shares", "sizes"),
    [
        (70, (None, None), (50, 10, 10)),
        (20, (None, None), (12, 4, 4)),
        (5, (None, None), (3, 1, 1)),
        (1000, (None, None), (800, 100, 100)),
        (100, (0.3, 0.2), (50, 30, 20)),
        (100, (0, 0), (100, 0, 0)),
        (3, (0.01, 0.01), (1, 1, 1)),
        (1, (None, None), (1, 0, 0)),
        (0, (None, None), (0, 0, 0)),
    ],
)
def test_few_images_have_enough_to_be_tested_on_and_training_is_never_empty(images, shares, sizes):
    found = split_sizes(images, *shares)
    assert tuple(found[split] for split in ("train", "val", "test")) == sizes


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, None), (None, 1.0)])
def test_shares_that_leave_nothing_to_train_on_are_refused(shares):
    with pytest.raises(UserError, match="leave something to train on"):
        split_sizes(10, *shares)


def long_tail(count, seed):
    """Images with predicates whose frequencies fall as 1 / rank, every fifth image without any."""
    draw = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 21)
    words = [
        set() if i % 5 == 4 else {f"p{p}" for p in draw.choice(20, draw.integers(1, 5), p=weights / weights.sum())}
        for i in range(count)
    ]
    return [f"{i}.jpg" for i in range(count)], words


def missing(words, splits, split):
    """Predicates that images show, but none of this split."""
    seen = {word for each, where in zip(words, splits, strict=True) if where == split for word in each}
    return len(set().union(*words) - seen)


@pytest.mark.parametrize("count", [70, 400])
def test_every_split_sees_more_predicates_than_a_plain_draw_gives_it(count):
    plain, drawn = [], []
    for seed in range(10):
        names, words = long_tail(count, seed)
        splits = draw_splits(names, words, {}, val=0.2, test=0.2, seed=seed)
        assert [splits.count(split) for split in ("train", "val", "test")] == [count * 6 // 10, count // 5, count // 5]
        shuffled = np.random.default_rng(seed + 100).permutation(splits).tolist()
        drawn.append([missing(words, splits, split) for split in ("train", "val", "test")])
        plain.append([missing(words, shuffled, split) for split in ("train", "val", "test")])
        assert drawn[-1][0] == 0  # training sees them all
        related = [bool(each) for each, split in zip(words, splits, strict=True) if split == "test"]
        assert abs(np.mean(related) - 0.8) < 0.05
    assert np.sum(drawn) < 0.7 * np.sum(plain)


def test_a_draw_depends_on_names_and_seed_alone():
    names, words = long_tail(50, seed=3)
    first = dict(zip(names, draw_splits(names, words, {}, val=None, test=None, seed=1), strict=True))
    turned = draw_splits(names[::-1], words[::-1], {}, val=None, test=None, seed=1)
    assert dict(zip(names[::-1], turned, strict=True)) == first
    assert draw_splits(names, words, {}, val=None, test=None, seed=2) != list(first.values())


def test_kept_images_stay_and_new_ones_fill_up_what_is_lacking():
    names, words = long_tail(60, seed=4)
    kept = dict.fromkeys(names[:20], "train") | {names[20]: "val"}
    splits = dict(zip(names, draw_splits(names, words, kept, val=0.25, test=0.25, seed=0), strict=True))
    assert all(splits[name] == split for name, split in kept.items())
    assert [list(splits.values()).count(split) for split in ("train", "val", "test")] == [30, 15, 15]
    crowded = draw_splits(names, words, dict.fromkeys(names[:50], "test"), val=0.1, test=0.1, seed=0)
    assert crowded[:50] == ["test"] * 50 and crowded.count("train") > 0


def test_without_images_or_relations_nothing_fails():
    assert draw_splits([], [], {}, val=None, test=None, seed=0) == []
    assert sorted(draw_splits(list("abcde"), [set()] * 5, {}, val=None, test=None, seed=0)) == [
        "test", "train", "train", "train", "val",
    ]  # fmt: skip
