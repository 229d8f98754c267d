"""Where the figures of a training go beside metrics.jsonl: TensorBoard, Weights & Biases, MLflow."""

import importlib
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.node import leaves
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import write_text


class MetricWriter(Protocol):
    """
    Takes figures as they come. A step is an iteration; names hold slashes ("train/loss_rel", "validation/mR@100").

    Whatever a call raises ends this writer, with a warning, and not the training.
    """

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Figures of one iteration."""

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        """One picture, (h, w, 3) uint8 RGB."""

    def close(self) -> None:
        """Writes what is held back."""


class TensorBoard:
    """OUTPUT_DIR/tensorboard; what lies there of later iterations than `start` is shown no more."""

    def __init__(self, output_dir: Path, start: int, **_: Any):
        from torch.utils.tensorboard import SummaryWriter  # takes a second, and is wanted only here

        self.board = SummaryWriter(str(output_dir / "tensorboard"), purge_step=start + 1)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        self.board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        self.board.close()


class WeightsAndBiases:
    """A run of wandb, which its own environment variables steer (WANDB_MODE offline, WANDB_ENTITY, ...)."""

    def __init__(self, output_dir: Path, start: int, *, project: str, config: Mapping[str, Any]):
        self.wandb = _package("wandb")
        note = output_dir / "wandb_run"
        run_id = _noted(note, start) or secrets.token_hex(4)
        self.run = self.wandb.init(
            project=project,
            name=output_dir.resolve().name,
            dir=str(output_dir),
            config=dict(config),
            id=run_id,
            resume="allow",
        )
        write_text(note, run_id)
        # By iteration, not by call: a resumed run writes some of them once more.
        self.run.define_metric("iteration")
        self.run.define_metric("*", step_metric="iteration")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.run.log({**values, "iteration": step})

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        self.run.log({name: self.wandb.Image(image), "iteration": step})

    def close(self) -> None:
        self.run.finish()


class MLflow:
    """A run of MLflow, at the server or in the folder that MLFLOW_TRACKING_URI names."""

    def __init__(self, output_dir: Path, start: int, *, project: str, config: Mapping[str, Any]):
        mlflow = _package("mlflow", distribution="mlflow-skinny")
        self.entities, self.client = mlflow.entities, mlflow.MlflowClient()
        note = output_dir / "mlflow_run"
        run_id = _noted(note, start)
        if run_id is None:
            found = self.client.get_experiment_by_name(project)
            experiment = found.experiment_id if found else self.client.create_experiment(project)
            run_id = self.client.create_run(experiment, run_name=output_dir.resolve().name).info.run_id
            parameters = [self.entities.Param(name, str(value)[:6000]) for name, value in config.items()]
            for first in range(0, len(parameters), 100):  # as many as one call takes
                self.client.log_batch(run_id, params=parameters[first : first + 100])
            write_text(note, run_id)
        self.run_id = run_id
        self.client.update_run(run_id, status="RUNNING")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        # "@" is no letter of MLflow's names.
        metrics = [self.entities.Metric(name.replace("@", "_at_"), value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def picture(self, name: str, image: np.ndarray, step: int) -> None:
        self.client.log_image(self.run_id, image, artifact_file=f"{name}/{step:07d}.png")

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


_WRITERS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}


def make_writers(cfg: Config, output_dir: Path, start: int) -> dict[str, MetricWriter]:
    """
    The writers that LOG.WRITERS names, by name.

    Args:
        start: finished iterations when this process begins; 0 opens new runs, else those of this OUTPUT_DIR go on.
    Raises:
        UserError: a package is not installed, or its service does not answer.
    """
    writers: dict[str, MetricWriter] = {}
    settings = {"project": cfg.LOG.PROJECT, "config": dict(leaves(cfg))}
    for name in dict.fromkeys(cfg.LOG.WRITERS):
        try:
            writers[name] = _WRITERS[name](output_dir, start, **settings)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"LOG.WRITERS {name} cannot start: {type(error).__name__}: {error}") from error
    return writers


def _package(name: str, distribution: str = "") -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"LOG.WRITERS names {name}, which is not installed ({error}): pip install {distribution or name}, or the"
            f" extra [{name}]"
        ) from error


def _noted(note: Path, start: int) -> str | None:
    """The id of the service's run that this training goes on with."""
    return (note.read_text(encoding="utf-8").strip() or None) if start and note.is_file() else None
