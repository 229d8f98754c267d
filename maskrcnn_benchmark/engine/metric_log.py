"""The figures of a training as it goes: metrics.jsonl, validation.jsonl, writers, the log and the progress bar."""

import json
import math
import re
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskrcnn_benchmark.engine.writers import MetricWriter
from maskrcnn_benchmark.utils.distributed import is_main_process
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)
MIB = 1 << 20
# Columns of a line of losses: 80 without the time that the console puts before it.
WIDTH = 80 - len("00:00:00 ")
# Share of an iteration spent waiting for images from which the line says so.
WAITING_SHARE = 0.2
# Iterations that are timed to say how long the training will take, after some that set things up.
UNTIMED, TIMED = 2, 20


class MetricLog:
    """
    Writes one line an announced iteration: iteration, every loss, lr, gradient_norm, seconds (an iteration, mean since
    the line before), data_seconds (of those, waiting for the loader), peak_memory_mib. What is not finite is null.

    The main process alone writes. Lines of iterations after the one that a run goes on from are removed first.
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
        writers: Mapping[str, MetricWriter] | None = None,
    ):
        """
        Args:
            period: iterations between two lines; the first iteration and the last have one too.
            start: finished iterations when this process begins.
            validated: the last of them whose validation counted; None: all of them.
            writers: by name, what gets the figures beside the files.
        """
        self.device = device
        self.period = max(period, 1)
        self.max_iter = max_iter
        self.main = is_main_process()
        self.bar = progress(total=max_iter, desc="training", unit="it")
        self.bar.update(start)
        self.path = output_dir / "metrics.jsonl"
        self.validation_path = output_dir / "validation.jsonl"
        self.writers = dict(writers or {})
        if self.main:
            _cut(self.path, start)
            _cut(self.validation_path, start if validated is None else validated)
        self.start, self._ticks, self._iterations, self._waited = start, 0, 0, 0.0
        self._since = self._timed_since = time.perf_counter()

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches; the time that an iteration waits for them is counted."""
        while True:
            start = time.perf_counter()
            batch = next(batches)
            self._waited += time.perf_counter() - start
            yield batch

    def is_due(self, iteration: int) -> bool:
        """Whether this iteration has a line. Its values have to be gathered from all processes, hence the question."""
        return iteration % self.period == 0 or iteration in (1, self.max_iter)

    def tick(self) -> None:
        """Counts a finished iteration."""
        self._iterations += 1
        self.bar.update(1)
        self._expect()

    def write(self, iteration: int, lr: float, values: Mapping[str, float]) -> None:
        """One line: `values` are losses and what else the step reports."""
        now = time.perf_counter()
        count = max(self._iterations, 1)
        seconds, data_seconds = (now - self._since) / count, self._waited / count
        self._iterations, self._since, self._waited = 0, now, 0.0
        if not self.main:
            return
        figures = {
            **values,
            "lr": lr,
            "seconds": round(seconds, 4),
            "data_seconds": round(data_seconds, 4),
            "peak_memory_mib": round(peak_memory(self.device) / MIB, 1),
        }
        self._write(self.path, "train", iteration, figures)
        self.bar.set_postfix_str(f"loss {values['loss']:.3f}", refresh=False)
        waiting = f" ({100 * data_seconds / seconds:.0f} % data)" if data_seconds > WAITING_SHARE * seconds else ""
        logger.info(loss_line(f"{iteration}/{self.max_iter} {seconds:.3g} s{waiting}", values))

    def write_validation(self, iteration: int, figures: Mapping[str, float]) -> None:
        """Figures of a validation: a line of validation.jsonl, and the writers."""
        if not self.main:
            return
        self._write(self.validation_path, "validation", iteration, figures)

    def _write(self, path: Path, kind: str, iteration: int, figures: Mapping[str, float]) -> None:
        """A line of a file, null where a figure is not finite, and the same for the writers."""
        line = {"iteration": iteration} | {name: v if math.isfinite(v) else None for name, v in figures.items()}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        named = {f"{kind}/{name}": value for name, value in figures.items()}
        self._tell(lambda writer: writer.scalars(named, iteration))

    def write_pictures(self, iteration: int, pictures: Mapping[int, np.ndarray]) -> None:
        """Pictures of a validation, (h, w, 3) uint8 RGB by image id, for the writers."""
        for image_id, picture in pictures.items():
            name = f"validation/image_{image_id}"
            self._tell(lambda writer, name=name, picture=picture: writer.picture(name, picture, iteration))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time of the block, which is no training, out of the seconds per iteration."""
        start = time.perf_counter()
        yield
        away = time.perf_counter() - start
        self._since += away
        self._timed_since += away

    def close(self) -> None:
        """Closes the bar and the writers."""
        self.bar.close()
        self._tell(lambda writer: writer.close())

    def _tell(self, what: Callable[[MetricWriter], None]) -> None:
        """Hands something to each writer. One that fails gets no more: a service that is gone ends no training."""
        for name, writer in list(self.writers.items()):
            try:
                what(writer)
            except Exception as error:  # noqa: BLE001 (as each service's client names its failures)
                del self.writers[name]
                said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                logger.warning(
                    f"LOG.WRITERS {name} gets no more figures of this run, metrics.jsonl has them all: {said}"
                )

    def _expect(self) -> None:
        """Says once how long the training will take. The first iterations, which set things up, are not counted in."""
        self._ticks += 1
        if self._ticks == UNTIMED:
            self._timed_since = time.perf_counter()
        if self._ticks == UNTIMED + TIMED:
            seconds = (time.perf_counter() - self._timed_since) / TIMED
            left = timedelta(seconds=round(seconds * (self.max_iter - self.start - self._ticks)))
            logger.info(f"expected time: {left} from here, {seconds:.3g} s per iteration, without validations")


def loss_line(head: str, values: Mapping[str, float]) -> str:
    """
    `head` and the total loss with as many of its parts as fit into a terminal's line, what is no number and what is
    largest first: "... loss 3.21 = rel 1.2 + dis 0.7 + 4 more". Parts have "loss" in their name.
    """
    parts = {name: value for name, value in values.items() if "loss" in name and name != "loss"}
    order = sorted(parts, key=lambda name: -abs(parts[name]) if math.isfinite(parts[name]) else -math.inf)
    terms = [f"{re.sub('_?loss_?', '', name)} {parts[name]:.3g}" for name in order]
    text = f"{head} loss {values['loss']:.4g}"
    for shown in range(len(terms), 0, -1):
        left_out = [f"{len(terms) - shown} more"] if shown < len(terms) else []
        whole = f"{text} = {' + '.join(terms[:shown] + left_out)}"
        if len(whole) <= WIDTH:
            return whole
    return text


def peak_memory(device: torch.device) -> int:
    """Bytes at the highest point so far: allocated on the GPU, or resident of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cut(path: Path, last: int) -> None:
    """Removes lines of iterations after `last`, which are done again, and one that a kill left half written."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["iteration"] <= last:
                kept.append(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            logger.warning(f"{path}: left out a line that is no metrics: {line[:60]!r}")
    write_text(path, "".join(line + "\n" for line in kept))
