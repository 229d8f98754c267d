"""What OUTPUT_DIR says of the run in it, what changed since, and who works there."""

import os
import subprocess
import sys

import pytest

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.run import LOCK, only_training_in
from maskrcnn_benchmark.engine.same_run import KEPT_KEYS, check_iterations, check_same_data, check_same_run, config_text
from maskrcnn_benchmark.utils.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "last_checkpoint").write_text("model_0000001.pth\n")
    (tmp_path / "config.yml").write_text(config_text(load_config(None)))
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "does"),
    [
        ("SEED", "7", "this epoch may bring some images twice"),
        ("SOLVER.BASE_LR", "0.5", "goes on with the checkpoint's"),
        ("SOLVER.SCHEDULE.PATIENCE", "9", "goes on with the checkpoint's"),
        ("SOLVER.MAX_ITER", "50000", "goes on with the new one"),
        ("INPUT.MIN_SIZE_TRAIN", "(600,)", "goes on with the new one"),
    ],
)
def test_what_changed_is_named_with_what_the_run_will_do(key, value, does, folder):
    (change,) = check_same_run(load_config(None, [key, value]), folder)
    assert change.startswith(f"{key} was ") and does in change


def test_on_request_the_new_solver_counts_and_other_keys_are_no_matter(folder):
    keys = [
        "SOLVER.UPDATE_SCHEDULE_DURING_LOAD",
        "True",
        "SOLVER.BASE_LR",
        "0.5",
        "TEST.IMS_PER_BATCH",
        "3",
        "MODEL.DEVICE",
        "cpu",
    ]
    changes = check_same_run(load_config(None, keys), folder)
    assert [change.split()[0] for change in changes] == ["SOLVER.BASE_LR", "SOLVER.UPDATE_SCHEDULE_DURING_LOAD"]
    assert changes[0].endswith("goes on with the new one") and check_same_run(load_config(None), folder) == []


def test_the_kept_keys_are_keys():
    assert {f"SOLVER.{key}" for key in KEPT_KEYS} <= set(load_config(None).known_keys())


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_a_config_that_is_cut_off_is_not_equal(share, folder):
    text = (folder / "config.yml").read_text()
    lines = text.splitlines(keepends=True)
    (folder / "config.yml").write_text("".join(lines[: int(share * len(lines))]))
    with pytest.raises(UserError, match=r"config\.yml lacks \d+ keys"):
        check_same_run(load_config(None), folder)


def without(folder, key):
    """config.yml as a version wrote it that did not have this key."""
    path = folder / "config.yml"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.strip().startswith(f"{key}:")]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))


def test_a_run_of_a_version_without_a_key_goes_on_at_its_default(folder):
    without(folder, "REWEIGHT_BETA")
    assert check_same_run(load_config(None), folder) == []
    with pytest.raises(UserError, match=r"MODEL\.REWEIGHT_BETA was 0\.99999, is 0\.9"):
        check_same_run(load_config(None, ["MODEL.REWEIGHT_BETA", "0.9"]), folder)


def test_a_config_that_is_no_text_is_one_error(folder):
    (folder / "config.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no text in UTF-8"):
        check_same_run(load_config(None), folder)


def test_other_annotations_are_another_run():
    now = {"name": "tiny_train", "images": 8, "annotations": "ab"}
    check_same_data(None, now)
    check_same_data(dict(now), now)
    with pytest.raises(UserError, match="tiny_train holds other annotations than when"):
        check_same_data(now | {"annotations": "cd"}, now)
    with pytest.raises(UserError, match=r"other images \(7 then, 8 now\)"):
        check_same_data(now | {"images": 7}, now)


def test_a_run_that_came_further_than_asked_for_names_the_key():
    check_iterations(4, 4)
    with pytest.raises(UserError, match="SOLVER.MAX_ITER is 3, .* has 4 iterations"):
        check_iterations(4, 3)


HOLD = """
import os, sys, time
from pathlib import Path
from maskrcnn_benchmark.engine.run import only_training_in
with only_training_in(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print(child, flush=True)
    time.sleep(60)
"""


def test_a_second_run_says_who_holds_the_folder_and_a_killed_one_holds_nothing(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    child = int(holder.stdout.readline())
    try:
        said = rf"OUTPUT_DIR {tmp_path} is in use by process {holder.pid} on .* since 20.* \(-c"
        with pytest.raises(UserError, match=said), only_training_in(tmp_path):
            pytest.fail("two runs in one folder")
        holder.kill()
        holder.wait()
        with only_training_in(tmp_path):  # though the child of the killed run lives, and its note is there
            assert f'"process": {os.getpid()}' in (tmp_path / LOCK).read_text()
    finally:
        os.kill(child, 9)
        holder.stdout.close()
    assert (tmp_path / LOCK).read_text() == ""
