"""Numbers out of range, and keys that a file holds twice: one error that names the key."""

import pytest

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.config.ranges import _ORDERED, _RANGES, Range
from maskrcnn_benchmark.utils.errors import UserError


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("SOLVER.BASE_LR", "-0.1", "above 0"),
        ("SOLVER.ACCUMULATE", "0", "at least 1"),
        ("SOLVER.MOMENTUM", "1", "at least 0 and below 1"),
        ("SOLVER.STEPS", "(28, 0)", "each at least 1, none smaller than the one before"),
        ("SOLVER.STEPS", "(0,)", "each at least 1"),
        ("SOLVER.GAMMA", "10", "at most 1"),
        ("SOLVER.WEIGHT_DECAY", "-1", "at least 0"),
        ("DATALOADER.NUM_WORKERS", "-1", "at least 0"),
        ("INPUT.PIXEL_MEAN", "0.5", "3 numbers"),
        ("INPUT.PIXEL_STD", "(1, 0, 1)", "each above 0"),
        ("INPUT.MIN_SIZE_TRAIN", "()", "one number or more"),
        ("MODEL.ROI_RELATION_HEAD.BATCH_SIZE_PER_IMAGE", "0", "at least 1"),
        ("MODEL.ROI_RELATION_HEAD.CONTEXT_DROPOUT_RATE", "1.5", "below 1"),
        ("TEST.RELATION.IOU_THRESHOLD", "50", "at most 1"),
        ("MODEL.RPN.BG_IOU_THRESHOLD", "0.9", "at most MODEL.RPN.FG_IOU_THRESHOLD, which is 0.7"),
    ],
)
def test_a_number_out_of_range_is_an_error_that_names_the_key_and_what_it_takes(key, value, wanted):
    with pytest.raises(UserError) as error:
        load_config(None, [key, value])
    assert str(error.value).startswith(f"{key} is ") and wanted in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SOLVER.STEPS", "()"),
        ("SOLVER.MAX_ITER", "0"),
        ("SOLVER.CHECKPOINT_PERIOD", "0"),
        ("SOLVER.WARMUP_FACTOR", "1"),
        ("MODEL.RPN.STRADDLE_THRESH", "-1"),
        ("INPUT.PIXEL_MEAN", "(-1, 0, 1)"),
        ("MODEL.IGNORE_WEIGHTS", "('a', 'b')"),
    ],
)
def test_the_ends_of_a_range_are_in_it(key, value):
    load_config(None, [key, value])


def test_every_rule_is_about_a_key_that_holds_numbers():
    known = set(load_config(None).known_keys())
    assert not (set(_RANGES) | {key for pair in _ORDERED for key in pair}) - known


def test_a_range_without_bounds_takes_any_number():
    assert Range(low=-float("inf")).fault(-3) is None and Range().fault(-3) == "at least 0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "SOLVER:\n  MAX_ITER: 70\nSEED: 1\nSOLVER:\n  IMS_PER_BATCH: 4\n",
            "SOLVER stands there twice, in lines 1 and 4",
        ),
        ("SOLVER:\n  BASE_LR: 0.1\n  BASE_LR: 0.2\n", "BASE_LR stands there twice, in lines 2 and 3"),
        (
            "ROI_RELATION_HEAD: {NUM_CLASSES: 3}\nMODEL: {ROI_RELATION_HEAD: {NUM_CLASSES: 4}}\n",
            "MODEL.ROI_RELATION_HEAD.NUM_CLASSES stands there twice",
        ),
        ("SOLVER.MAX_ITER: 3\nSOLVER: {MAX_ITER: 4}\n", "SOLVER.MAX_ITER stands there twice"),
        ("a: " + "[" * 1500, "nested too deeply"),
    ],
)
def test_a_key_that_stands_twice_in_a_file_is_an_error(text, said, tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value)


def test_a_merge_of_yaml_may_override_what_it_brings(tmp_path):
    path = tmp_path / "merge.yaml"
    path.write_text("SOLVER: {<<: {MAX_ITER: 3, GAMMA: 0.5}, MAX_ITER: 4}\n")
    assert load_config(path).SOLVER.MAX_ITER == 4
