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


BOMB = "SOLVER:\n  STEPS:\n  - &a0 [1]\n" + "".join(f"  - &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(9))


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
        ("SOLVER: {<<: {MAX_ITER: 3}, <<: {GAMMA: 0.5}}\n", "<< stands there twice, in lines 1 and 1"),
        ("SOLVER:\n  <<:\n  - {MAX_ITER: 3}\n  - {MAX_ITER: 4}\n", "MAX_ITER stands there twice, in lines 3 and 4"),
        ("SOLVER: &s {SCHEDULE: *s}\n", "line 1: *s stands inside of what it names"),
        (BOMB, "aliases (*name) stand for more than 100000 values"),
        ("SOLVER: {MAX_ITER: 0100}\n", "line 1: 0100 is 64 in YAML"),
        ("SOLVER: {MAX_ITER: 1:30}\n", "line 1: 1:30 is 90 in YAML"),
        ("# SOLVER: {MAX_ITER: 3}\n", "holds sections and keys, this one nothing"),
        ("_BASE_: {a: b}\n", "_BASE_ must be the name of a file or a list of them"),
        (f"SOLVER: {{MAX_ITER: {10**400}}}\n", "SOLVER.MAX_ITER wants a whole number"),
    ],
)
def test_a_file_that_says_otherwise_than_it_was_meant_is_an_error(text, said, tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value)


def test_a_merge_of_yaml_may_override_what_it_brings(tmp_path):
    path = tmp_path / "merge.yaml"
    path.write_text("SOLVER: {<<: {MAX_ITER: 3, GAMMA: 0.5}, MAX_ITER: 4}\n")
    assert load_config(path).SOLVER.MAX_ITER == 4
    # The mapping that TEST merges has overridden what it merged itself.
    inner = "MODEL: {RPN: {<<: &x {<<: {NMS_THRESH: 0.5}, NMS_THRESH: 0.6}}}\n"
    path.write_text(inner + "_BASE_: []\n")
    assert load_config(path).MODEL.RPN.NMS_THRESH == 0.6


@pytest.mark.parametrize("value", ["5", "null", "2020-01-01", "{a: b}"])
def test_a_list_of_names_takes_nothing_else(value, tmp_path):
    (tmp_path / "c.yaml").write_text(f"DATASETS: {{TRAIN: [{value}]}}\n")
    with pytest.raises(UserError, match="DATASETS.TRAIN is .* takes a list of names"):
        load_config(tmp_path / "c.yaml")


@pytest.mark.parametrize("value", ["9" * 400, "-" * 100000 + "1"])
def test_a_number_beyond_all_bounds_is_a_value_of_the_wrong_type(value):
    with pytest.raises(UserError, match="SOLVER.MAX_ITER wants a whole number"):
        load_config(None, ["SOLVER.MAX_ITER", value])
