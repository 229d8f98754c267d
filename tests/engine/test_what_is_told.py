"""What a training tells: the start table, lines that fit a terminal, and the writers beside metrics.jsonl."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine import step
from maskrcnn_benchmark.engine.commands import run_training
from maskrcnn_benchmark.engine.metric_log import MetricLog, loss_line
from maskrcnn_benchmark.engine.writers import make_writers
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.errors import UserError

CPU = torch.device("cpu")
ONE = ["SOLVER.MAX_ITER", 1, "SOLVER.TO_VAL", False]


class Wandb:
    """Stands in for the package wandb: the calls that the writer makes, with their arguments."""

    def __init__(self):
        self.opened, self.logged, self.finished = [], [], 0
        self.Image = lambda pixels: ("image", pixels.shape, pixels.dtype)

    def init(self, **settings):
        self.opened.append(settings)
        return SimpleNamespace(log=self.logged.append, define_metric=lambda *_, **__: None, finish=self.finish)

    def finish(self):
        self.finished += 1


@pytest.fixture
def wandb(monkeypatch):
    fake = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
    """MLflow on a folder of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    module = pytest.importorskip("mlflow")
    module.set_tracking_uri(f"file://{tmp_path}/mlruns")
    return module


def train(world, *overrides):
    """A training of the tiny PE-Net; returns log.txt."""
    run_training(load_config(world / "relation.yaml", overrides), skip_test=True)
    return (world / "out/log.txt").read_text(encoding="utf-8")


def test_every_writer_gets_figures_and_pictures_and_a_resumed_run_goes_on_in_them(world, wandb, mlflow, capsys):
    detector = build_detection_model(load_config(world / "detector.yaml"))
    torch.save({"model": detector.state_dict()}, world / "detector.pth")
    words = ["LOG.WRITERS", ("tensorboard", "wandb", "mlflow"), "LOG.PICTURES", 1, "SOLVER.VAL_PERIOD", 12]
    words += ["MODEL.PRETRAINED_DETECTOR_CKPT", "detector.pth"]
    log = train(world, *words, "SOLVER.MAX_ITER", 24, "SOLVER.CHECKPOINT_PERIOD", 100)
    console = capsys.readouterr().err
    train(world, *words, "SOLVER.MAX_ITER", 25)
    written = [json.loads(line) for line in (world / "out/metrics.jsonl").read_text().splitlines()]
    validated = [json.loads(line) for line in (world / "out/validation.jsonl").read_text().splitlines()]
    assert len(written) == 25 and [line["iteration"] for line in validated] == [12, 24, 25]

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(world / "out/tensorboard")).Reload()
    assert [event.value for event in board.Scalars("train/loss_rel")] == pytest.approx([w["loss_rel"] for w in written])
    assert [event.step for event in board.Scalars("validation/mR@100")] == [12, 24, 25]
    (picture,) = board.Tags()["images"]
    assert re.fullmatch(r"validation/image_\d+", picture) and board.Images(picture)[0].height >= 400

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("scene-graphs").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.run_name == "out" and run.info.status == "FINISHED"
    assert run.data.params["SOLVER.BASE_LR"] == "0.001"
    history = client.get_metric_history(run.info.run_id, "train/loss_rel")
    assert [point.value for point in history] == pytest.approx([line["loss_rel"] for line in written])
    assert {point.step for point in client.get_metric_history(run.info.run_id, "validation/mR_at_100")} == {12, 24, 25}
    files = [file.path for file in client.list_artifacts(run.info.run_id, picture)]
    assert files == [f"{picture}/{iteration:07d}.png" for iteration in (12, 24, 25)]

    first, second = wandb.opened
    assert first["id"] == second["id"] and first["config"]["SOLVER.BASE_LR"] == 0.001 and wandb.finished == 2
    losses = [line["train/loss_rel"] for line in wandb.logged if "train/loss_rel" in line]
    assert losses == [line["loss_rel"] for line in written]
    assert [line["iteration"] for line in wandb.logged if picture in line] == [12, 24, 25]

    assert max(map(len, log.splitlines())) <= 500 and max(map(len, console.splitlines())) <= 500
    lines = re.findall(r"^\S+ \d+/24 .*", console, re.M)
    assert len(lines) == 24 and max(map(len, lines)) <= 80 and all("= dist2 6." in line for line in lines)
    for told in (
        r"roi_heads\.relation\.predictor +[\d,]+ +0\n",
        r"rpn +0 +719\n",
        r"data +8 images of tiny_train, 15 relations\n",
        r"an update +2 images, up to 16 pairs each\n",
        r"rate +0\.002 after warm-up, float32\n",
        r"iterations +1 to 24, 6 passes over the images\n",
        r"then +checkpoint every 100, validation every 12\n",
        r"expected time: 0:00:\d\d from here, [\d.e-]+ s per iteration",
    ):
        assert len(re.findall(told, log)) == 1, told


def test_a_service_that_fails_ends_its_writer_and_not_the_training(world, wandb):
    def fails(values):
        if values["iteration"] == 2:
            raise ConnectionError("no route to host")

    wandb.logged = SimpleNamespace(append=fails)
    log = train(world, "LOG.WRITERS", ("wandb", "tensorboard"), "SOLVER.MAX_ITER", 4, "SOLVER.TO_VAL", False)
    assert log.count("LOG.WRITERS wandb gets no more figures of this run") == 1 and "no route to host" in log
    assert len((world / "out/metrics.jsonl").read_text().splitlines()) == 4 and list(
        (world / "out").glob("tensorboard/*")
    )


def test_without_writers_nothing_but_the_files_is_written(world):
    train(world, "LOG.WRITERS", (), *ONE)
    assert (world / "out/metrics.jsonl").exists() and not (world / "out/tensorboard").exists()


def test_a_fresh_start_in_a_folder_opens_a_new_run(tmp_path, wandb):
    cfg = load_config(None, ["LOG.WRITERS", ("wandb",), "LOG.PROJECT", "graphs"])
    for start in (0, 5, 0):
        make_writers(cfg, tmp_path, start)
    ids = [opened["id"] for opened in wandb.opened]
    assert ids[0] == ids[1] != ids[2] and wandb.opened[0]["project"] == "graphs"


def test_a_writer_that_is_not_there_is_one_error_that_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.raises(
        UserError, match=r"names wandb, which is not installed .*: pip install wandb, or the extra \[wandb\]"
    ):
        make_writers(load_config(None, ["LOG.WRITERS", ("wandb",)]), tmp_path, 0)
    with pytest.raises(UserError, match="LOG.WRITERS is .*'aim'.*tensorboard, wandb, mlflow"):
        load_config(None, ["LOG.WRITERS", ("tensorboard", "aim")])


def test_a_server_that_does_not_answer_is_one_error_before_the_training(tmp_path, monkeypatch, mlflow):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    with pytest.raises(UserError, match="LOG.WRITERS mlflow cannot start: "):
        make_writers(load_config(None, ["LOG.WRITERS", ("mlflow",)]), tmp_path, 0)


SPLN = {f"{name}_simi_loss": 0.01 * i for i, name in enumerate(("sem", "vis", "con"))} | {
    "loss_rel": 1.25,
    "loss_refine_obj": 0.0,
}


@pytest.mark.parametrize(
    "values, said",
    [
        ({"loss": 2.0, "loss_rel": 1.5, "l21_loss": 0.5}, "1/9 loss 2 = rel 1.5 + l21 0.5"),
        ({"loss": 2.0, "loss_rel": 0.5, "l21_loss": -1.5, "gradient_norm": 9.0}, "1/9 loss 2 = l21 -1.5 + rel 0.5"),
        ({"loss": 1.28, **SPLN}, "1/9 loss 1.28 = rel 1.25 + con_simi 0.02 + vis_simi 0.01 + 2 more"),
        ({"loss": float("nan"), "loss_rel": 1.0, "l21_loss": float("nan")}, "1/9 loss nan = l21 nan + rel 1"),
        ({"loss": 3.0}, "1/9 loss 3"),
    ],
)
def test_a_line_of_losses_shows_the_largest_parts_that_fit(values, said):
    assert loss_line("1/9", values) == said


def test_a_line_of_many_losses_fits():
    parts = np.random.default_rng(0).normal(size=12).tolist()
    values = {"loss": 123.4567} | {f"a_rather_long_name_{i}_loss": value for i, value in enumerate(parts)}
    assert len(loss_line("59990/60000 12.345 s (99 % data)", values)) <= 71


def test_waiting_for_data_is_said_where_it_matters(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("maskrcnn_benchmark.engine.metric_log.logger", SimpleNamespace(info=said.append))
    log = MetricLog(tmp_path, device=CPU, period=1, start=0, max_iter=2)
    for iteration, share in ((1, 0.5), (2, 0.0)):
        log._since -= 10
        log._waited += 10 * share
        log.tick()
        log.write(iteration, 0.1, {"loss": 1.0})
    log.close()
    assert re.match(r"1/2 10 s \(50 % data\) loss 1$", said[0]) and re.match(r"2/2 10 s loss 1$", said[1])


@pytest.mark.parametrize("computes, dtype", [(True, "float16"), (False, "bfloat16")])
def test_float16_on_a_cpu_that_has_none_is_bfloat16_with_one_line(computes, dtype, monkeypatch):
    said = []
    monkeypatch.setattr(step, "_cpu_computes_half", lambda: computes)
    monkeypatch.setattr(step, "warn_once", lambda _, text: said.append(text))
    assert step.usable_dtype(CPU, "float16") == dtype and len(said) == (not computes)
    assert step.usable_dtype(CPU, "float32") == "float32"
    assert step.usable_dtype(torch.device("cuda"), "float16") == "float16"


def test_a_run_in_bfloat16_for_want_of_float16_is_the_run_that_was_asked_for(world, monkeypatch):
    monkeypatch.setattr(step, "_cpu_computes_half", lambda: False)
    monkeypatch.setattr("maskrcnn_benchmark.utils.log._warned", set())
    words = ["DTYPE", "float16", "SOLVER.TO_VAL", False, "SOLVER.MAX_ITER"]
    assert train(world, *words, 1).count("going on in bfloat16") == 1
    assert "DTYPE: float16" in (world / "out/config.yml").read_text()
    train(world, *words, 2)
    assert len((world / "out/metrics.jsonl").read_text().splitlines()) == 2
