"""
Learning-rate schedules: a warm-up, then steps at fixed iterations or whenever validation stops improving.

A schedule sets the rate of an iteration from its number, so that nothing drifts and resuming needs no replay.
Iterations count from 1; iteration i uses t = i - 1 + `lead`, the number of updates that count as done before it.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import KW_ONLY, Field, dataclass, field, fields
from typing import Any

from torch.optim import Optimizer

from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)


def setting_to_use(name: str, config: Any, checkpoint: Any, *, keep: bool) -> Any:
    """The config's value of a setting, or, unless `keep`, the checkpoint's; a warning says so where they differ."""
    whose, used, other = ("config", config, checkpoint) if keep else ("checkpoint", checkpoint, config)
    if used != other:
        logger.warning(f"the {whose}'s {name} {used} is used, not {other} (SOLVER.UPDATE_SCHEDULE_DURING_LOAD {keep})")
    return used


@dataclass(eq=False)
class _WarmupSchedule(ABC):
    """
    Rates of all groups = their initial rate · warm-up(t) · decay(t). Subclasses give `decay`.

    Arguments are the settings, other fields the counters that a checkpoint keeps beside them.
    """

    optimizer: Optimizer
    _: KW_ONLY
    warmup_factor: float
    warmup_iters: int
    warmup_method: str
    lead: int = 0

    def __post_init__(self) -> None:
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def warmup(self, t: int) -> float:
        """Factor of the warm-up after t updates, then 1: linear 1 - (1 - factor)(1 - t / iters), or constant."""
        if t >= self.warmup_iters:
            return 1.0
        if self.warmup_method == "constant":
            return self.warmup_factor
        return 1.0 - (1.0 - self.warmup_factor) * (1.0 - t / self.warmup_iters)

    @abstractmethod
    def decay(self, t: int) -> float:
        """Factor of the decay after t updates."""

    def set_iteration(self, iteration: int) -> float:
        """Sets every group's rate for an iteration (from 1) and returns the first group's."""
        t = iteration - 1 + self.lead
        factor = self.warmup(t) * self.decay(t)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return self.optimizer.param_groups[0]["lr"]

    @abstractmethod
    def add_result(self, result: float | None) -> None:
        """Takes a validation result, a fraction between 0 and 1, or None where nothing was to be measured."""

    @property
    def finished(self) -> bool:
        """Whether the schedule asks training to stop before MAX_ITER."""
        return False

    def _kept(self) -> list[Field]:
        """Settings and counters."""
        return [one for one in fields(self) if one.name != "optimizer"]

    def state_dict(self) -> dict:
        """Settings and counters, as plain values."""
        values = {one.name: getattr(self, one.name) for one in self._kept()}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"type": type(self).__name__, **plain}

    def load_state_dict(self, state: dict, *, keep_settings: bool = False) -> None:
        """
        Takes the counters of a saved schedule, and its settings too unless `keep_settings`
        (SOLVER.UPDATE_SCHEDULE_DURING_LOAD). State of another type of schedule is left out, with a warning.
        """
        if state["type"] != type(self).__name__:
            own = type(self).__name__
            logger.warning(f"the checkpoint's schedule is {state['type']}, the config's {own}: the config's is used")
            return
        for one in self._kept():
            name = one.name
            have = getattr(self, name)
            saved = tuple(state[name]) if isinstance(have, tuple) else state[name]
            setattr(self, name, setting_to_use(name, have, saved, keep=keep_settings) if one.init else saved)


@dataclass(eq=False)
class WarmupMultiStepLR(_WarmupSchedule):
    """Warm-up, times gamma for each of the milestones, ascending values of t, that t has reached."""

    _: KW_ONLY
    milestones: tuple[int, ...]
    gamma: float

    def decay(self, t: int) -> float:
        return self.gamma ** bisect_right(self.milestones, t)

    def add_result(self, result: float | None) -> None:
        """Results do not move fixed milestones."""


@dataclass(eq=False)
class WarmupReduceLROnPlateau(_WarmupSchedule):
    """
    Warm-up, times `factor` each time that validation has stopped improving.

    A result is better if it exceeds the best so far by more than `threshold` (absolute; results are fractions).
    `patience` results in a row that are not better multiply every rate by `factor`. During the `cooldown` results after
    such a decay, and at the start, the best still rises, but results that are not better do not count. After
    `max_decays` decays training stops. torch.optim.lr_scheduler.ReduceLROnPlateau differs: its threshold is relative by
    default and it decays after patience + 1.
    """

    _: KW_ONLY
    factor: float
    patience: int
    threshold: float
    cooldown: int
    max_decays: int
    best: float | None = field(default=None, init=False)
    bad_results: int = field(default=0, init=False)
    cooldown_left: int = field(init=False)
    decays: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cooldown_left = self.cooldown

    def decay(self, t: int) -> float:  # noqa: ARG002 (the decay follows results, not time)
        return self.factor**self.decays

    def add_result(self, result: float | None) -> None:
        """Takes a validation result, a fraction; None (nothing to measure) is skipped."""
        if result is None:
            logger.warning("validation gave no figure for SOLVER.SCHEDULE.METRIC: the schedule skips this result")
            return
        if self.best is None or result > self.best + self.threshold:
            self.best = result
            self.bad_results = 0
        elif self.cooldown_left == 0:
            self.bad_results += 1
        self.cooldown_left = max(self.cooldown_left - 1, 0)
        if self.bad_results >= self.patience:
            self.decays += 1
            self.bad_results = 0
            self.cooldown_left = self.cooldown
            logger.info(
                f"no better result than {self.best:.4f} in {self.patience}: decay {self.decays} of {self.max_decays}"
            )

    @property
    def finished(self) -> bool:
        return self.decays >= self.max_decays


def make_schedule(cfg, optimizer: Optimizer) -> WarmupMultiStepLR | WarmupReduceLROnPlateau:
    """
    The schedule that SOLVER.SCHEDULE.TYPE names. As published, iteration i uses t = i in detector training
    (MODEL.RELATION_ON False), t = i - 1 in relation training.
    """
    solver, plateau = cfg.SOLVER, cfg.SOLVER.SCHEDULE
    warmup = {
        "warmup_factor": solver.WARMUP_FACTOR,
        "warmup_iters": solver.WARMUP_ITERS,
        "warmup_method": solver.WARMUP_METHOD,
        "lead": 0 if cfg.MODEL.RELATION_ON else 1,
    }
    if plateau.TYPE == "WarmupMultiStepLR":
        return WarmupMultiStepLR(optimizer, milestones=solver.STEPS, gamma=solver.GAMMA, **warmup)
    if not solver.TO_VAL:
        logger.warning(
            "SOLVER.SCHEDULE.TYPE WarmupReduceLROnPlateau goes by validation, and SOLVER.TO_VAL is False: rates"
            " never decay"
        )
    return WarmupReduceLROnPlateau(
        optimizer,
        factor=plateau.FACTOR,
        patience=plateau.PATIENCE,
        threshold=plateau.THRESHOLD,
        cooldown=plateau.COOLDOWN,
        max_decays=plateau.MAX_DECAY_STEP,
        **warmup,
    )
