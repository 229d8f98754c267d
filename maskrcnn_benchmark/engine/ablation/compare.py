"""The quality benchmark from end to end."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from maskrcnn_benchmark.engine.ablation.page import write_page
from maskrcnn_benchmark.engine.ablation.plan import PENET, Model, Scale
from maskrcnn_benchmark.engine.ablation.work import Result, Workshop
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, setup_logging
from maskrcnn_benchmark.utils.progress import progress

logger = get_logger(__name__)

CONFIGS = Path("configs/demo")


Work = Callable[[Workshop, Model, int], Path]
Run = tuple[Work, Model, int]


def compare(
    scale: Scale,
    output: Path,
    page: Path,
    *,
    device: str,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    configs: Path = CONFIGS,
) -> None:
    """
    Does what is left to do of a benchmark, and writes its page after each seed.

    Args:
        scale: how much. output: folder of the runs. page: file to write; the plot goes beside it.
        device: MODEL.DEVICE. jobs: trainings at a time. overrides: keys and values for every run.
        configs: folder of the demo's config files.
    """
    started, fresh = time.monotonic(), not (output / "shared.pth").exists()
    workshop = Workshop(scale, output, configs=configs, device=device, overrides=overrides)
    models = workshop.prepare()
    setup_logging()
    results: dict[Model, dict[int, Result]] = {model: {} for model in models}
    sgdet: dict[Model, dict[int, Result]] = {}
    noisy: list[dict[str, Any]] = []
    trainings: list[Run] = [(Workshop.compare, model, seed) for seed in scale.seeds for model in models]
    if scale.sgdet_iterations:
        trainings += [(Workshop.compare_sgdet, model, scale.seeds[0]) for model in (PENET, models[-1])]
    # Of what was trained then.
    tests: list[Run] = [(Workshop.test_with_noise, models[-1], scale.seeds[0])] if scale.noise_seeds else []
    runs = chain(in_processes(workshop, trainings, jobs), in_processes(workshop, tests, jobs))
    for (work, model, seed), folder in zip(trainings + tests, runs, strict=True):
        logger.info(f"{folder}: done")
        if work is Workshop.test_with_noise:
            noisy = workshop.noisy_metrics(folder)
        else:
            into = results[model] if work is Workshop.compare else sgdet.setdefault(model, {})
            into[seed] = workshop.result(folder)
        if work is Workshop.compare and model != models[-1]:
            continue  # until a seed is whole
        minutes = (time.monotonic() - started) / 60 if fresh else None
        write_page(page, scale, results, sgdet, noisy, minutes=minutes)
        logger.info(f"{page}: written")


def in_processes(workshop: Workshop, plan: Sequence[Run], jobs: int) -> Iterator[Path]:
    """
    The folders of the plan's runs, in its order. `jobs` processes of one thread each share them: layers as small as the
    demo's gain little from a second thread. What they log is in their folders.
    """
    if jobs == 1:
        yield from (work(workshop, model, seed) for work, model, seed in plan)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_be_quiet) as pool:
        waiting = [pool.submit(work, workshop, model, seed) for work, model, seed in plan]
        try:
            for run in progress(waiting, desc="models", unit="run"):
                yield run.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process of the benchmark ended, as where memory runs out: fewer --jobs, or start again; what is"
                " finished stays"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _be_quiet() -> None:
    torch.set_num_threads(1)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 for the life of the process
