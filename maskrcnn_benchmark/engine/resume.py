"""
Going on where a run stopped: whether OUTPUT_DIR holds the same run, and everything that makes the continuation the same.

On the CPU it is the same bit by bit. On a GPU it starts from the same bits; sums that atomics add up in any order (ROIAlign's and ROIPool's
backward, index_add and embeddings' gradients) and convolutions that cuDNN chooses by timing may then differ in the last bit, as two runs
that never stopped do.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.config.node import parse_yaml
from maskrcnn_benchmark.engine.finite import require_finite
from maskrcnn_benchmark.utils.checkpoint import Checkpointer, load_weights
from maskrcnn_benchmark.utils.distributed import all_gather_objects, rank
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

# What makes two configs the same run; where a model works is no part of what it is.
RUN_KEYS = ("MODEL", "DTYPE", "DATASETS.TRAIN")
NOT_RUN_KEYS = ("MODEL.DEVICE",)


def check_same_run(cfg: Config, output_dir: Path) -> None:
    """
    Refuses to go on in a folder whose last checkpoint is another run's.

    Two runs are the same if OUTPUT_DIR/config.yml agrees with the config in MODEL (start weights included, MODEL.DEVICE not), DTYPE and
    DATASETS.TRAIN. A folder without a last_checkpoint is free.

    Raises:
        UserError: names the keys that differ with both values, and asks for another OUTPUT_DIR.
    """
    if not (output_dir / "last_checkpoint").exists():
        return
    written = output_dir / "config.yml"
    if not written.exists():
        raise UserError(
            f"OUTPUT_DIR {output_dir} holds a last_checkpoint but no config.yml to say which run's it is: choose another OUTPUT_DIR"
        )
    old = dict(_leaves(parse_yaml(written.read_text(encoding="utf-8"), str(written))))
    new = dict(_leaves(parse_yaml(cfg.dump(), "config")))
    differ = [key for key in sorted(old.keys() & new.keys()) if _decides(key) and old[key] != new[key]]
    if differ:
        pairs = "; ".join(f"{key} was {old[key]!r}, is {new[key]!r}" for key in differ)
        raise UserError(f"OUTPUT_DIR {output_dir} holds another run's checkpoints: {pairs}. Choose another OUTPUT_DIR, or empty this one")


def _decides(key: str) -> bool:
    return key not in NOT_RUN_KEYS and any(key == run_key or key.startswith(run_key + ".") for run_key in RUN_KEYS)


def _leaves(tree: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def load_last(checkpoints: Checkpointer) -> dict[str, Any] | None:
    """
    The checkpoint that a run goes on from; None where there is none.

    If the last one does not open, the one before it serves, with a warning.

    Raises:
        UserError: none of them opens.
    """
    last = checkpoints.last()
    if last is None:
        return None
    earlier = [path for path in checkpoints.output_dir.glob("model_[0-9]*.pth") if path != last]
    earlier.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    problem: UserError | None = None
    for path in [last, *earlier]:
        try:
            state = checkpoints.load(path)
        except UserError as error:
            logger.warning(f"{error}. Trying the checkpoint before it")
            problem = problem or error
            continue
        logger.info(f"going on from {path}, iteration {state.get('iteration')}; weights that the config names to start from are not read")
        return state
    raise problem


def random_state() -> dict[str, Any]:
    """The state of this process's generators (Python, numpy, torch, its CUDA device), in plain values and tensors."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Puts the generators back to what random_state returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@dataclass
class Best:
    """The best validation result so far, under the metric's name."""

    metric: str
    value: float | None = None
    iteration: int = 0

    def improves(self, value: float | None, iteration: int) -> bool:
        """Takes a result; whether it is the best now."""
        if value is None or (self.value is not None and value <= self.value):
            return False
        self.value, self.iteration = value, iteration
        return True


@dataclass
class TrainingState:
    """
    All that a training consists of besides its config: what a checkpoint keeps and a resumed run starts from.

    Attributes:
        sampler: whose state_dict() is the position in the training data.
        description: what makes the checkpoint readable alone: config, vocabulary, version.
        iteration: finished iterations.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Any
    scaler: torch.amp.GradScaler
    sampler: Any
    best: Best
    description: dict[str, Any]
    iteration: int = 0

    def weights(self) -> dict[str, Any]:
        """The part that prediction needs."""
        return {"model": self.model.state_dict(), "iteration": self.iteration, **self.description}

    def save(self, checkpoints: Checkpointer, name: str) -> None:
        """
        Writes the checkpoint `name`, which a run started again goes on from. Every process has to call it.

        Raises:
            UserError: a weight or a momentum is not finite; nothing is written.
        """
        require_finite(self.model, self.optimizer, f"after iteration {self.iteration}")
        generators = all_gather_objects(random_state())
        if rank() == 0:
            state = self.weights() | {
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "scaler": self.scaler.state_dict(),
                "sampler": self.sampler.state_dict(),
                "best": vars(self.best).copy(),
                "random": generators,
            }
            checkpoints.save(name, state)
            checkpoints.mark_last(name)

    def load(self, state: Mapping[str, Any], *, keep_settings: bool) -> None:
        """
        Takes what `save` wrote.

        Args:
            state: a checkpoint.
            keep_settings: learning rates, decay, momentum and the schedule's settings are the config's instead of the checkpoint's.
        Raises:
            UserError: the checkpoint is of another model, or holds weights alone.
        """
        missing = [key for key in ("model", "optimizer", "schedule", "sampler", "random", "iteration") if key not in state]
        if missing:
            lacks = ", ".join(missing)
            raise UserError(f"the last checkpoint lacks {lacks}: name it as MODEL.WEIGHT of a run in another OUTPUT_DIR")
        report = load_weights(self.model, state["model"], name="the last checkpoint")
        if report.initial:
            raise UserError(f"the last checkpoint lacks weights of this model: {', '.join(report.initial[:4])}; choose another OUTPUT_DIR")
        self._load_optimizer(state["optimizer"], keep_settings)
        self.schedule.load_state_dict(state["schedule"], keep_settings=keep_settings)
        self.scaler.load_state_dict(state["scaler"])
        self.iteration = state["iteration"]
        self.schedule.set_iteration(max(self.iteration, 1))
        if state["best"]["metric"] == self.best.metric:
            self.best = Best(**state["best"])
        else:
            logger.warning(f"the best result so far is one of {state['best']['metric']}; by {self.best.metric} the count starts anew")
        self._load_random(state["random"])

    def _load_optimizer(self, saved: Mapping[str, Any], keep_settings: bool) -> None:
        """Momentum goes by parameter name; the settings are one side's as a whole, and a warning names those that differ."""
        fresh = self.optimizer.state_dict()
        index = {name: i for group in fresh["param_groups"] for name, i in zip(group["names"], group["params"], strict=True)}
        saved_index = {name: i for group in saved["param_groups"] for name, i in zip(group["names"], group["params"], strict=True)}
        if index.keys() != saved_index.keys():
            odd = sorted(index.keys() ^ saved_index.keys())
            raise UserError(f"the last checkpoint trained other parameters than this run: {len(odd)} differ, such as {', '.join(odd[:3])}")
        moments = {i: saved["state"][saved_index[name]] for name, i in index.items() if saved_index[name] in saved["state"]}
        self.optimizer.load_state_dict({"state": moments, "param_groups": fresh["param_groups"]})
        groups = self.optimizer.param_groups
        same_groups = [group["names"] for group in groups] == [group["names"] for group in saved["param_groups"]]
        for group, old in zip(groups, saved["param_groups"], strict=False):
            for key in ("initial_lr", "weight_decay", "momentum"):
                if not same_groups or group[key] == old[key]:
                    continue
                used, other = (group[key], old[key]) if keep_settings else (old[key], group[key])
                whose = "config" if keep_settings else "checkpoint"
                logger.warning(f"the {whose}'s {key} {used:g} is used, not {other:g} (SOLVER.UPDATE_SCHEDULE_DURING_LOAD {keep_settings})")
                group[key] = used
        if not same_groups:
            logger.warning("learning rates and decays are grouped otherwise than in the checkpoint: the config's are used")

    def _load_random(self, states: list[Mapping[str, Any]]) -> None:
        if rank() < len(states):
            set_random_state(states[rank()])
        else:
            logger.warning("more processes than the checkpoint knew: this one's random draws start anew")
