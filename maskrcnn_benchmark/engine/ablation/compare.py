"""The quality benchmark from end to end."""

import time
from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.engine.ablation.page import write_page
from maskrcnn_benchmark.engine.ablation.plan import Model, Scale
from maskrcnn_benchmark.engine.ablation.work import HEAD_BATCH, Result, Workshop
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

CONFIGS = Path("configs/demo")


def compare(scale: Scale, output: Path, page: Path, *, device: str, overrides: Sequence[str] = (), configs: Path = CONFIGS) -> None:
    """
    Does what is left to do of a benchmark, and writes its page after each seed.

    Args:
        scale: how much. output: folder of the runs. page: file to write; the plot goes beside it.
        device: MODEL.DEVICE. overrides: keys and values for every run. configs: folder of the demo's config files.
    """
    started, fresh = time.monotonic(), not (output / "shared.pth").exists()
    workshop = Workshop(scale, output, configs=configs, device=device, overrides=overrides)
    models = workshop.prepare()
    results: dict[Model, dict[int, Result]] = {model: {} for model in models}
    sgdet: dict[Model, dict[int, Result]] = {}

    def write() -> None:
        minutes = (time.monotonic() - started) / 60 if fresh else None
        write_page(page, scale, results, sgdet, iterations=scale.head_iterations, batch=HEAD_BATCH, minutes=minutes)
        logger.info(f"{page}: results of {len(results[models[0]])} seed(s)")

    for seed in scale.seeds:
        for model in models:
            results[model][seed] = workshop.compare(model, seed)
        write()
    if scale.sgdet_iterations:
        for model in workshop.sgdet_models(models):
            sgdet[model] = {scale.seeds[0]: workshop.compare_sgdet(model, scale.seeds[0])}
        write()
