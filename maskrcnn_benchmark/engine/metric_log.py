"""The figures of a training as it goes: metrics.jsonl, validation.jsonl, TensorBoard, the log and the progress bar."""

import json
import math
import resource
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from maskrcnn_benchmark.utils.distributed import is_main_process
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)
MIB = 1 << 20


class MetricLog:
    """
    Writes one line an announced iteration: iteration, every loss, lr, gradient_norm, seconds (an iteration, mean since
    the line before), data_seconds (of those, waiting for the loader), peak_memory_mib. What is not finite is null: JSON
    has no word for it.

    Files are written by the main process alone. Lines of iterations after the one that a run goes on from are removed
    first.
    """

    def __init__(
        self,
        output_dir: Path,
        *,
        device: torch.device,
        period: int,
        start: int,
        max_iter: int,
        validated: int | None = None,
    ):
        """
        Args:
            period: iterations between two lines; the first iteration and the last have one too.
            start: finished iterations when this process begins.
            validated: the last of them whose validation counted; None: all of them.
        """
        self.device = device
        self.period = max(period, 1)
        self.max_iter = max_iter
        self.main = is_main_process()
        self.bar = progress(total=max_iter, desc="training", unit="it")
        self.bar.update(start)
        self.path = output_dir / "metrics.jsonl"
        self.validation_path = output_dir / "validation.jsonl"
        self.board = None
        if self.main:
            _cut(self.path, start)
            _cut(self.validation_path, start if validated is None else validated)
            self.board = SummaryWriter(str(output_dir / "tensorboard"), purge_step=start + 1)
        self._iterations = 0
        self._since = time.perf_counter()
        self._waited = 0.0

    def waited(self, seconds: float) -> None:
        """Adds time that an iteration spent waiting for its batches."""
        self._waited += seconds

    def is_due(self, iteration: int) -> bool:
        """Whether this iteration has a line. Its values have to be gathered from all processes, hence the question."""
        return iteration % self.period == 0 or iteration in (1, self.max_iter)

    def tick(self) -> None:
        """Counts a finished iteration."""
        self._iterations += 1
        self.bar.update(1)

    def write(self, iteration: int, lr: float, values: Mapping[str, float]) -> None:
        """One line: `values` are losses and what else the step reports."""
        now = time.perf_counter()
        count = max(self._iterations, 1)
        seconds, data_seconds = (now - self._since) / count, self._waited / count
        self._iterations, self._since, self._waited = 0, now, 0.0
        line = {
            "iteration": iteration,
            **values,
            "lr": lr,
            "seconds": round(seconds, 4),
            "data_seconds": round(data_seconds, 4),
        }
        line["peak_memory_mib"] = round(peak_memory(self.device) / MIB, 1)
        if not self.main:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(
                json.dumps({name: value if math.isfinite(value) else None for name, value in line.items()}) + "\n"
            )
        for name, value in line.items():
            if name != "iteration":
                self.board.add_scalar(f"train/{name}", value, iteration)
        self.bar.set_postfix_str(f"loss {values['loss']:.3f}", refresh=False)
        losses = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        pace = f"{seconds:.3f} s/it ({data_seconds:.3f} waiting for data)"
        logger.info(f"iteration {iteration} of {self.max_iter}: {losses}, lr {lr:.3g}, {pace}")

    def write_validation(self, iteration: int, figures: Mapping[str, float]) -> None:
        """Figures of a validation: a line of validation.jsonl, and TensorBoard."""
        if not self.main:
            return
        with open(self.validation_path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **figures}) + "\n")
        for name, value in figures.items():
            self.board.add_scalar(f"validation/{name}", value, iteration)

    def pause(self) -> float:
        """Marks the start of work that is no training; give the returned value to `resume`."""
        return time.perf_counter()

    def resume(self, paused: float) -> None:
        """Leaves the time since `pause` out of the seconds an iteration."""
        self._since += time.perf_counter() - paused

    def close(self) -> None:
        """Closes the bar and TensorBoard's file."""
        self.bar.close()
        if self.board is not None:
            self.board.close()


def peak_memory(device: torch.device) -> int:
    """Bytes at the highest point so far: allocated on the GPU, or resident of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cut(path: Path, last: int) -> None:
    """
    Removes lines of iterations after `last`, which are about to be done again, and a line that a kill left half
    written.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["iteration"] <= last:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError, RecursionError):
            logger.warning(f"{path}: left out a line that is no metrics: {line[:60]!r}")
    write_text(path, "".join(line + "\n" for line in kept))
