"""A run that stops and is started again ends with the very bits of one that never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine import step as step_module
from maskrcnn_benchmark.engine.commands import run_training
from maskrcnn_benchmark.engine.resume import random_state, set_random_state
from maskrcnn_benchmark.engine.same_run import check_same_run
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


class Killed(Exception):
    pass


def train(world, out, *overrides, kind="relation"):
    cfg = load_config(world / f"{kind}.yaml", ["OUTPUT_DIR", str(world / out), *overrides])
    return run_training(cfg, skip_test=True)


def final(world, out):
    return torch.load(world / out / "model_final.pth", weights_only=True)


def lines(world, out, name="metrics.jsonl"):
    """The lines of a log of figures, without what a clock or the machine decides."""
    kept = [json.loads(line) for line in (world / out / name).read_text().splitlines()]
    return [{k: v for k, v in line.items() if "seconds" not in k and "memory" not in k} for line in kept]


def assert_same(a, b, where="checkpoint"):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


def stop_in_iteration(monkeypatch, at):
    """Makes the update of iteration `at` fail, once."""
    call = step_module.TrainingStep.__call__

    def failing(self, batches, iteration):
        result = call(self, batches, iteration)
        if iteration == at:
            raise Killed
        return result

    monkeypatch.setattr(step_module.TrainingStep, "__call__", failing)


@pytest.mark.parametrize(
    "kind, overrides",
    [
        ("relation", ["DATALOADER.NUM_WORKERS", "2", "SOLVER.SCHEDULE.TYPE", "WarmupReduceLROnPlateau",
                      "SOLVER.SCHEDULE.PATIENCE", "1", "MODEL.USE_REWEIGHT", "PENET",
                      "MODEL.REWEIGHT_CURRICULUM", "10"]),
        ("detector", ["DTYPE", "bfloat16"]),
    ],
)  # fmt: skip
def test_a_killed_run_goes_on_bit_by_bit(kind, overrides, world, monkeypatch):
    train(world, "straight/out", *overrides, kind=kind)
    with monkeypatch.context() as patch:
        stop_in_iteration(patch, 5)
        with pytest.raises(Killed):
            train(world, "stopped/out", *overrides, kind=kind)
    assert Checkpointer(world / "stopped/out").last().name == "model_0000003.pth"
    train(world, "stopped/out", *overrides, kind=kind)
    assert_same(final(world, "straight/out"), final(world, "stopped/out"))
    assert lines(world, "straight/out") == lines(world, "stopped/out")
    assert lines(world, "straight/out", "validation.jsonl") == lines(world, "stopped/out", "validation.jsonl")
    if kind == "relation":  # the curriculum goes on, too
        factors = [1 - i / 10 for i in range(1, 7)]
        assert [line["reweight_factor"] for line in lines(world, "stopped/out")] == pytest.approx(factors)


def test_kill_9_and_the_same_command_again(world):
    """The process is really killed, at whatever point it happens to be after its first checkpoint."""
    keys = ["SOLVER.CHECKPOINT_PERIOD", "1", "SOLVER.TO_VAL", "False"]
    command = [
        sys.executable,
        str(ROOT / "tools/relation_train_net.py"),
        "--config-file",
        "relation.yaml",
        "--skip-test",
        *keys,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (world / "out/last_checkpoint").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    train(world, "out", *keys)
    train(world, "straight/out", *keys)
    assert "going on from" in (world / "out/log.txt").read_text()
    have, want = final(world, "out"), final(world, "straight/out")
    assert have["iteration"] == 6
    assert_same(want["model"], have["model"])


def test_being_asked_to_stop_leaves_a_checkpoint_of_that_iteration(world, monkeypatch):
    call = step_module.TrainingStep.__call__

    def interrupted(self, batches, iteration):
        if iteration == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return call(self, batches, iteration)

    with monkeypatch.context() as patch:
        patch.setattr(step_module.TrainingStep, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(world, "out")
    assert Checkpointer(world / "out").last().name == "model_0000002.pth"


def test_a_finished_run_is_not_trained_again_unless_max_iter_rises(world):
    keys = ["SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False", "SOLVER.CHECKPOINT_PERIOD", "100"]
    train(world, "out", *keys)
    before = final(world, "out")
    train(world, "out", *keys)
    assert_same(before, final(world, "out"))
    train(world, "out", *keys, "SOLVER.MAX_ITER", "3")
    assert final(world, "out")["iteration"] == 3 and [line["iteration"] for line in lines(world, "out")] == [1, 2, 3]


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(world, caplog):
    keys = ["SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False", "SOLVER.CHECKPOINT_PERIOD", "1"]
    train(world, "out", *keys)
    damaged = world / "out/model_final.pth"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    (world / "out/model_0000002.pth").unlink()
    with caplog.at_level("INFO", logger="maskrcnn_benchmark"):
        train(world, "out", *keys)
    assert (
        "model_final.pth is damaged" in caplog.text
        and "going on from" in caplog.text
        and "model_0000001.pth" in caplog.text
    )
    assert final(world, "out")["iteration"] == 2


def run_folder(tmp_path, cfg):
    (tmp_path / "last_checkpoint").write_text("model_0000001.pth\n")
    (tmp_path / "config.yml").write_text(cfg.dump())


@pytest.mark.parametrize(
    "overrides, named",
    [
        (
            ["MODEL.ROI_RELATION_HEAD.PREDICTOR", "MotifPredictor"],
            ["MODEL.ROI_RELATION_HEAD.PREDICTOR", "MotifPredictor"],
        ),
        (["MODEL.WEIGHT", "other.pth", "DTYPE", "float16"], ["MODEL.WEIGHT", "other.pth", "DTYPE"]),
        (["DATASETS.TRAIN", "('other_train',)"], ["DATASETS.TRAIN", "other_train"]),
    ],
)
def test_another_run_in_the_same_folder_is_one_error_that_names_the_keys(overrides, named, world, tmp_path):
    run_folder(tmp_path, load_config(world / "relation.yaml"))
    with pytest.raises(UserError, match="another run's checkpoints.*OUTPUT_DIR") as error:
        check_same_run(load_config(world / "relation.yaml", overrides), tmp_path)
    assert all(word in str(error.value) for word in named)


def test_the_same_run_may_change_its_solver_its_device_and_its_test(world, tmp_path):
    run_folder(tmp_path, load_config(world / "relation.yaml"))
    changed = [
        "SOLVER.MAX_ITER",
        "9",
        "MODEL.DEVICE",
        "cuda",
        "DATASETS.TEST",
        "('other_test',)",
        "TEST.IMS_PER_BATCH",
        "1",
    ]
    check_same_run(load_config(world / "relation.yaml", changed), tmp_path)


def test_a_folder_without_a_checkpoint_is_free_and_one_without_config_is_not(world, tmp_path):
    cfg = load_config(world / "relation.yaml")
    run_folder(tmp_path, load_config(world / "relation.yaml", ["DTYPE", "float16"]))
    (tmp_path / "last_checkpoint").unlink()
    check_same_run(cfg, tmp_path)
    (tmp_path / "last_checkpoint").write_text("x\n")
    (tmp_path / "config.yml").unlink()
    with pytest.raises(UserError, match="no config.yml"):
        check_same_run(cfg, tmp_path)


def test_random_state_brings_every_generator_back():
    import random

    import numpy as np

    def draw():
        return random.gauss(0, 1), np.random.normal(), torch.rand(1).item()

    draw()
    state = random_state()
    first = draw()
    draw()
    set_random_state(state)
    assert draw() == first


def test_a_checkpoint_tells_of_itself_and_of_no_path(world):
    train(world, "out", "SOLVER.MAX_ITER", "1")
    for name in ("model_final.pth", "model_best.pth"):
        data = (world / "out" / name).read_bytes()
        assert str(world).encode() not in data
        state = torch.load(world / "out" / name, weights_only=True)
        assert state["meta"]["objects"] == ["__background__", "cat", "dog", "table", "hat"]
        assert "PrototypeEmbeddingNetwork" in state["config"] and "/" not in state["config"]
    assert "metrics" in state and "optimizer" not in state
