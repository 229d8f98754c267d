"""The loop: what happens when, what is written, and what validation decides."""

import json

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.metric_log import MetricLog
from maskrcnn_benchmark.engine.metrics import check_metric_name, deciding_metrics, headline, metric_value
from maskrcnn_benchmark.engine.resume import Best, TrainingState
from maskrcnn_benchmark.engine.run import StopRequest
from maskrcnn_benchmark.engine.step import TrainingStep, make_scaler
from maskrcnn_benchmark.engine.trainer import Plan, Trainer
from maskrcnn_benchmark.engine.writers import TensorBoard
from maskrcnn_benchmark.solver import WarmupMultiStepLR, WarmupReduceLROnPlateau
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.errors import UserError

from .toys import ToyLoader, ToyModel

CPU = torch.device("cpu")
WARMUP = {"warmup_factor": 0.5, "warmup_iters": 2, "warmup_method": "linear"}


def make_trainer(folder, results=(), schedule="steps", **changed):
    """
    A Trainer of the toy model; validation returns `results` in turn. Also the list of iterations at which it was asked.
    """
    torch.manual_seed(0)
    plan = {
        "max_iter": 6,
        "checkpoint_period": 4,
        "validation_period": 2,
        "validate_first": False,
        "gradient_norms_period": 0,
        "best_metric": "mR@100",
        "schedule_metric": "R@100",
    }
    plan = Plan(**{**plan, **changed})
    model, loader = ToyModel(), ToyLoader()
    optimizer = torch.optim.SGD(
        [{"params": list(model.parameters()), "names": [n for n, _ in model.named_parameters()], "lr": 0.1}]
    )
    if schedule == "steps":
        rates = WarmupMultiStepLR(optimizer, milestones=(3,), gamma=0.1, **WARMUP)
    else:
        rates = WarmupReduceLROnPlateau(
            optimizer, factor=0.5, patience=1, threshold=0.0, cooldown=0, max_decays=1, **WARMUP
        )
    state = TrainingState(
        model, optimizer, rates, make_scaler(CPU, "float32"), loader, Best(plan.best_metric), {"version": "0"}
    )
    results, asked = iter(results), []

    def validate():
        asked.append(state.iteration)
        model.eval()
        torch.rand(3)  # evaluation may draw; training must not notice
        value = next(results, 0.5)
        return {"R": {"100": value}, "mR": {"100": value / 2}}

    writers = {"tensorboard": TensorBoard(folder, 0)}
    log = MetricLog(folder, device=CPU, period=1, start=0, max_iter=plan.max_iter, writers=writers)
    step = TrainingStep(model, optimizer, state.scaler, CPU)
    return Trainer(state, step, iter(loader), validate, plan, Checkpointer(folder), log, StopRequest()), asked


def lines(folder, name="metrics.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_checkpoints_validations_and_lines_come_when_they_are_due(tmp_path):
    trainer, asked = make_trainer(tmp_path)
    trainer.run()
    assert asked == [2, 4, 6]
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == [
        "model_0000004.pth",
        "model_best.pth",
        "model_final.pth",
    ]
    assert (tmp_path / "last_checkpoint").read_text().strip() == "model_final.pth"
    assert [line["iteration"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert [line["lr"] for line in lines(tmp_path)] == pytest.approx([0.05, 0.075, 0.1, 0.01, 0.01, 0.01])
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_line_that_is_no_metrics_is_left_out(tmp_path, caplog):
    good = '{"iteration": 1}'
    (tmp_path / "metrics.jsonl").write_text("\n".join([good, '{"iteration": ' + "9" * 5000 + "}", "[]", '{"itera']))
    MetricLog(tmp_path, device=CPU, period=1, start=1, max_iter=2).close()
    assert (tmp_path / "metrics.jsonl").read_text() == good + "\n" and caplog.text.count("is no metrics") == 3


def test_the_last_iteration_is_validated_whatever_the_period(tmp_path):
    trainer, asked = make_trainer(tmp_path, max_iter=5, validation_period=100)
    trainer.run()
    assert asked == [5]


def test_validation_changes_nothing_about_training(tmp_path):
    weights = []
    for name, period, first in (("a", 2, True), ("b", 0, False)):
        trainer, _ = make_trainer(tmp_path / name, validation_period=period, validate_first=first)
        trainer.run()
        weights.append(trainer.state.model.state_dict())
        assert trainer.state.model.training
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))


def test_the_best_model_is_that_of_the_best_validation(tmp_path):
    trainer, _ = make_trainer(tmp_path, results=[0.2, 0.6, 0.4])
    trainer.run()
    best = torch.load(tmp_path / "model_best.pth", weights_only=True)
    assert best["iteration"] == 4 and best["metrics"] == {"R@100": 0.6, "mR@100": 0.3}
    assert trainer.state.best == Best("mR@100", 0.3, 4)
    checkpoint = torch.load(tmp_path / "model_0000004.pth", weights_only=True)
    assert all(torch.equal(a, b) for a, b in zip(best["model"].values(), checkpoint["model"].values(), strict=True))


def test_a_plateau_ends_training_and_leaves_a_final_model(tmp_path):
    trainer, asked = make_trainer(tmp_path, results=[0.5, 0.5], schedule="plateau", max_iter=50)
    trainer.run()
    assert asked == [2, 4] and trainer.state.iteration == 4
    assert torch.load(tmp_path / "model_final.pth", weights_only=True)["iteration"] == 4


def test_the_figure_before_training_decides_nothing(tmp_path):
    trainer, asked = make_trainer(tmp_path, results=[0.9, 0.5], schedule="plateau", validate_first=True, max_iter=2)
    trainer.run()
    assert asked == [0, 2] and trainer.state.schedule.best == 0.5 and trainer.state.best.value == 0.25


def test_a_request_to_stop_is_granted_after_the_iteration_with_a_checkpoint(tmp_path):
    trainer, _ = make_trainer(tmp_path)
    trainer.stop.asked = True
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert (tmp_path / "last_checkpoint").read_text().strip() == "model_0000001.pth"


def test_a_checkpoint_that_is_due_comes_before_its_validation_which_the_next_start_makes_up_for(tmp_path):
    trainer, _ = make_trainer(tmp_path, checkpoint_period=2)

    def fails():
        raise RuntimeError("out of memory")

    trainer.validate = fails
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.run()
    assert trainer.checkpoints.last().name == "model_0000002.pth"
    saved = trainer.checkpoints.load(trainer.checkpoints.last())
    again, asked = make_trainer(tmp_path)
    again.state.load(saved, keep_settings=False)
    again.batches = iter(ToyLoader(position=saved["sampler"]["position"]))
    again.run()
    assert asked == [2, 4, 6]
    straight, _ = make_trainer(tmp_path / "straight")
    straight.run()
    have, want = (t.checkpoints.load(t.checkpoints.last()) for t in (again, straight))
    assert have["validated"] == 6 and have["best"] == want["best"] and have["schedule"] == want["schedule"]
    assert all(torch.equal(have["model"][name], value) for name, value in want["model"].items())


@pytest.mark.parametrize("what", ["batch", "loss", "log"])
def test_whatever_fails_the_last_finished_iteration_is_saved_as_it_was(what, tmp_path, monkeypatch):
    """The failing iteration has drawn numbers, moved the loader's position and changed a running statistic by then."""
    folders = (tmp_path / "failed", tmp_path / "whole")
    for folder, max_iter in zip(folders, (6, 3), strict=True):
        trainer, _ = make_trainer(folder, validation_period=0, checkpoint_period=100, max_iter=max_iter)
        model = trainer.state.model
        model.register_buffer("running", torch.zeros(1))
        call = type(model).forward

        def forward(images, targets=None, model=model, call=call, folder=folder):
            model.running += 1
            losses = call(model, images, targets)
            if what == "loss" and model.running == 4 and folder is folders[0]:
                raise RuntimeError("a loss that fails")
            return losses

        monkeypatch.setattr(model, "forward", forward)
        if folder is folders[1]:
            trainer.run()
            continue
        if what == "batch":
            loader = trainer.state.sampler

            def batches(loader=loader):
                for number in range(1, 4):
                    loader.position = number
                    yield loader.batch(number)
                loader.position = 4
                raise OSError(5, "Input/output error")

            trainer.batches = batches()
        if what == "log":
            write = trainer.log.write
            monkeypatch.setattr(
                trainer.log, "write", lambda i, *rest, write=write: write(i, *rest) if i < 3 else 1 // 0
            )
        with pytest.raises((RuntimeError, OSError, ZeroDivisionError)):
            trainer.run()
    failed, whole = (
        torch.load(folder / (folder / "last_checkpoint").read_text().strip(), weights_only=True) for folder in folders
    )
    assert (folders[0] / "last_checkpoint").read_text().strip() == "model_0000003.pth"
    for key in ("iteration", "sampler", "best", "validated"):
        assert failed[key] == whole[key], key
    assert all(torch.equal(failed["model"][name], value) for name, value in whole["model"].items())
    assert torch.equal(failed["random"][0]["torch"], whole["random"][0]["torch"])
    assert failed["optimizer"]["param_groups"][0]["lr"] == whole["optimizer"]["param_groups"][0]["lr"]


def test_weights_that_an_update_has_half_changed_are_not_saved(tmp_path, caplog):
    trainer, _ = make_trainer(tmp_path, validation_period=0, checkpoint_period=100)
    step = trainer.step.optimizer.step

    def fails(*args):
        step(*args)
        raise KeyboardInterrupt

    trainer.step.optimizer.step = fails
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"), pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert not list(tmp_path.glob("*.pth"))


def test_a_failure_to_save_after_a_failure_does_not_hide_it(tmp_path, monkeypatch, caplog):
    trainer, _ = make_trainer(tmp_path, checkpoint_period=100)
    trainer.validate = lambda: 1 // 0
    monkeypatch.setattr(
        trainer.checkpoints, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with caplog.at_level("WARNING", logger="maskrcnn_benchmark"), pytest.raises(ZeroDivisionError):
        trainer.run()
    assert "iteration 2 could not be saved: [Errno 28]" in caplog.text


def test_a_request_to_stop_in_the_last_iteration_is_granted_once_the_model_is_saved(tmp_path):
    trainer, _ = make_trainer(tmp_path, max_iter=2)
    validate = trainer.validate

    def asked_meanwhile():
        trainer.stop.asked = True
        return validate()

    trainer.validate = asked_meanwhile
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert trainer.checkpoints.last().name == "model_final.pth"


def test_a_log_drops_what_comes_after_the_start_and_what_a_kill_left_half_written(tmp_path):
    written = b'{"iteration": 1, "loss": 2.0}\n{"iteration": 3, "loss": 1.0}\n\xff\n' + b"[" * 5000 + b'\n{"iterat'
    (tmp_path / "metrics.jsonl").write_bytes(written)
    MetricLog(tmp_path, device=CPU, period=1, start=2, max_iter=4).close()
    assert lines(tmp_path) == [{"iteration": 1, "loss": 2.0}]


def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    trainer, _ = make_trainer(tmp_path, validation_period=0, max_iter=4, checkpoint_period=2)
    count, step = 0, trainer.step

    def poison(*args):
        nonlocal count
        count += 1
        result = step(*args)
        if count == 4:
            trainer.state.model.first.weight.data[0, 0] = float("nan")
        return result

    trainer.step = poison
    with pytest.raises(UserError, match="after iteration 4: first.weight not finite"):
        trainer.run()
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == ["model_0000002.pth"]
    assert trainer.checkpoints.last().name == "model_0000002.pth"


def test_metrics_are_found_by_their_names():
    metrics = {"R": {"20": 0.1, "100": 0.3}, "mR": {"100": None}, "AP50": 0.4, "freq": {"R": {"20": 0.2}}}
    assert (
        metric_value(metrics, "R@100") == 0.3
        and metric_value(metrics, "mR@100") is None
        and metric_value(metrics, "AP50") == 0.4
    )
    assert metric_value(metrics, "zR@50") is None
    assert headline(metrics) == {"R@20": 0.1, "R@100": 0.3, "AP50": 0.4}
    for wrong in ("mR", "mR@10", "recall@50", "AP50@20"):
        with pytest.raises(UserError, match=f"KEY '{wrong}'"):
            check_metric_name("KEY", wrong)


def test_detectors_go_by_ap50_and_relation_models_by_the_config():
    relation = load_config(None, ["MODEL.RELATION_ON", True, "TEST.RELATION.BEST_METRIC", "F@50"])
    assert deciding_metrics(relation) == ("F@50", "R@100")
    assert deciding_metrics(load_config(None, [])) == ("AP50", "AP50")
    with pytest.raises(UserError, match="TEST.RELATION.BEST_METRIC 'mR'"):
        deciding_metrics(load_config(None, ["MODEL.RELATION_ON", True, "TEST.RELATION.BEST_METRIC", "mR"]))


def test_a_figure_that_is_not_finite_is_null_in_the_file(tmp_path):
    log = MetricLog(tmp_path, device=CPU, period=1, start=0, max_iter=1)
    log.write(1, 0.1, {"loss": 2.0, "gradient_norm": float("inf")})
    log.close()
    assert lines(tmp_path)[0]["gradient_norm"] is None and lines(tmp_path)[0]["loss"] == 2.0
