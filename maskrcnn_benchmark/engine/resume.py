"""
Going on where a run stopped, with everything that makes the continuation the same.

On the CPU it is the same bit by bit. On a GPU it starts from the same bits; sums that atomics add up in any order
(ROIAlign's and ROIPool's backward, index_add and embeddings' gradients) and convolutions that cuDNN chooses by timing
may then differ in the last bit, as two runs that never stopped do.
"""

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from maskrcnn_benchmark.engine.saved_state import check_saved
from maskrcnn_benchmark.engine.step import require_finite
from maskrcnn_benchmark.solver.schedules import setting_to_use
from maskrcnn_benchmark.utils.checkpoint import Checkpointer, load_weights
from maskrcnn_benchmark.utils.distributed import all_gather_objects, rank
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)


def load_last(checkpoints: Checkpointer) -> dict[str, Any] | None:
    """
    The checkpoint that a run goes on from; None where there is none. If the last one is damaged, the one before it by
    its iteration serves, with a warning; later ones are of a run that was in this folder before.

    Raises:
        UserError: none of them is whole; says what is wrong with the last one.
    """
    last = checkpoints.last()
    if last is None:
        return None
    found = {_iteration_of(path): path for path in checkpoints.output_dir.glob("model_*.pth")}
    below = math.inf if _iteration_of(last) is None else _iteration_of(last)
    earlier = sorted((number for number in found if number is not None and number < below), reverse=True)
    problem: UserError | None = None
    for path in [last, *(found[number] for number in earlier)]:
        try:
            state = checkpoints.load(path)
            check_saved(state, str(path))
        except UserError as error:
            if len(earlier):
                logger.warning(f"{error}. Trying the checkpoint before it")
            problem = problem or error
            continue
        logger.info(
            f"going on from {path}, iteration {state['iteration']}; weights that the config names to start from are not"
            " read"
        )
        return state
    raise problem


def _iteration_of(checkpoint: Path) -> int | None:
    """The iteration in a checkpoint's name; None for model_final and others without one."""
    number = checkpoint.stem.removeprefix("model_")
    return int(number) if number.isascii() and number.isdigit() else None


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
    if not 0 <= position <= len(keys):  # numpy itself does not ask
        raise ValueError(f"numpy's generator stands at {position} of {len(keys)} numbers")
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


@dataclass(frozen=True)
class Best:
    """The best validation result so far, under the metric's name."""

    metric: str
    value: float | None = None
    iteration: int = 0


@contextmanager
def _entry(name: str) -> Iterator[None]:
    """Names the checkpoint's entry that the block takes where it turns out to be of no use."""
    try:
        yield
    except UserError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise UserError(
            f"the last checkpoint's entry {name} cannot be used ({type(error).__name__}: {error}): it is damaged"
        ) from error


@dataclass
class TrainingState:
    """
    All that a training consists of besides its config: what a checkpoint keeps and a resumed run starts from.

    Attributes:
        sampler: whose state_dict() is the position in the training data.
        description: what makes the checkpoint readable alone: config, vocabulary, version.
        iteration: finished iterations.
        validated: the last of them whose validation counted; one that is missing is made up for.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Any
    scaler: torch.amp.GradScaler
    sampler: Any
    best: Best
    description: dict[str, Any]
    iteration: int = 0
    validated: int = 0
    _finished: tuple[list[dict[str, Any]], dict[str, Any]] = field(init=False, repr=False)
    _buffers: dict[str, tuple[int, torch.Tensor]] = field(default_factory=dict, init=False, repr=False)
    _updating: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self.optimizer.register_step_pre_hook(self._begin_update)

    def _begin_update(self, *_: Any) -> None:
        self._updating = True

    def finish(self, iteration: int, *, asked_to_stop: bool = False) -> bool:
        """
        Notes that an iteration is done, and what of it the next one changes before it updates the weights: the draws of
        all processes, position, buffers. Every process has to call it.

        Returns:
            Whether any process was asked to stop: one message carries this and the draws.
        """
        self.iteration, self._updating = iteration, False
        own, position = random_state(), self.sampler.state_dict()
        self._finished = [own], position  # what is left if another process is gone by now
        for name, buffer in self.model.named_buffers():
            if name not in self._buffers or self._buffers[name][0] != buffer._version:
                self._buffers[name] = buffer._version, buffer.detach().clone()
        draws, asked = zip(*all_gather_objects((own, asked_to_stop)), strict=True)
        self._finished = list(draws), position
        return any(asked)

    def save_finished(self, checkpoints: Checkpointer, name: str) -> None:
        """As `save`, while a later iteration has failed; UserError also where that was amid an update."""
        if self._updating:
            raise UserError(f"the weights were being updated, those of iteration {self.iteration} are gone")
        with torch.no_grad():
            for buffer_name, buffer in self.model.named_buffers():
                version, value = self._buffers[buffer_name]
                if buffer._version != version:
                    buffer.copy_(value)
        self.schedule.set_iteration(max(self.iteration, 1))
        self.save(checkpoints, name)

    def weights(self) -> dict[str, Any]:
        """The part that prediction needs."""
        return {"model": self.model.state_dict(), "iteration": self.iteration, **self.description}

    def save(self, checkpoints: Checkpointer, name: str) -> None:
        """
        Writes the checkpoint `name` of the last finished iteration, which a run started again goes on from. Only the
        main process writes; the others need not be there.

        Raises:
            UserError: a weight or a momentum is not finite; nothing is written.
        """
        require_finite(self.model, self.optimizer, f"after iteration {self.iteration}")
        if rank() != 0:
            return
        generators, position = self._finished
        state = self.weights() | {
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "sampler": position,
            "best": vars(self.best).copy(),
            "random": generators,
            "validated": self.validated,
        }
        checkpoints.save(name, state)
        checkpoints.mark_last(name)

    def load(self, state: Mapping[str, Any], *, keep_settings: bool) -> None:
        """
        Takes what `save` wrote.

        Args:
            state: a checkpoint that check_saved has looked at.
            keep_settings: learning rates, decay, momentum and the schedule's settings are the config's instead of the
                checkpoint's.
        Raises:
            UserError: the checkpoint is of another model, or an entry cannot be used.
        """
        report = load_weights(self.model, state["model"], name="the last checkpoint")
        if report.initial:
            raise UserError(
                f"the last checkpoint lacks weights of this model: {', '.join(report.initial[:4])}; choose another"
                " OUTPUT_DIR"
            )
        self._load_optimizer(state["optimizer"], keep_settings)
        self.iteration = state["iteration"]
        self.validated = state.get("validated", self.iteration)
        with _entry("schedule"):
            self.schedule.load_state_dict(state["schedule"], keep_settings=keep_settings)
            self.schedule.set_iteration(max(self.iteration, 1))
        # Empty where the checkpoint's run had no scaler, as one of float16 on a CPU that only has bfloat16.
        if state["scaler"]:
            with _entry("scaler"):
                self.scaler.load_state_dict(state["scaler"])
        if state["best"]["metric"] == self.best.metric:
            self.best = Best(**state["best"])
        else:
            logger.warning(
                f"the best result so far is one of {state['best']['metric']}; by {self.best.metric} the count starts"
                " anew"
            )
        if rank() < len(state["random"]):
            with _entry("random"):
                set_random_state(state["random"][rank()])
        else:
            logger.warning("more processes than the checkpoint knew: this one's random draws start anew")

    def _load_optimizer(self, saved: Mapping[str, Any], keep_settings: bool) -> None:
        """
        Momentum goes by parameter name; the settings are one side's as a whole, and a warning names those that differ.
        """
        fresh = self.optimizer.state_dict()
        index, saved_index = (
            {name: i for group in one["param_groups"] for name, i in zip(group["names"], group["params"], strict=True)}
            for one in (fresh, saved)
        )
        if index.keys() != saved_index.keys():
            odd = sorted(index.keys() ^ saved_index.keys())
            raise UserError(
                f"the last checkpoint trained other parameters than this run: {len(odd)} differ, such as"
                f" {', '.join(odd[:3])}"
            )
        moments = {
            i: saved["state"][saved_index[name]] for name, i in index.items() if saved_index[name] in saved["state"]
        }
        for name, i in index.items():
            shape, moment = self.model.get_parameter(name).shape, moments.get(i, {}).get("momentum_buffer")
            if moment is None:
                continue
            what = f"the last checkpoint's momentum of {name}"
            if not isinstance(moment, torch.Tensor) or moment.shape != shape:
                raise UserError(f"{what} is not of the parameter's shape {tuple(shape)}")
            if not moment.is_floating_point():
                raise UserError(f"{what} holds {moment.dtype}")
        self.optimizer.load_state_dict({"state": moments, "param_groups": fresh["param_groups"]})
        groups = self.optimizer.param_groups
        same_groups = [group["names"] for group in groups] == [group["names"] for group in saved["param_groups"]]
        for group, old in zip(groups, saved["param_groups"], strict=False):
            for key in ("initial_lr", "weight_decay", "momentum"):
                if same_groups:
                    group[key] = setting_to_use(key, group[key], old[key], keep=keep_settings)
        if not same_groups:
            logger.warning(
                "learning rates and decays are grouped otherwise than in the checkpoint: the config's are used"
            )
