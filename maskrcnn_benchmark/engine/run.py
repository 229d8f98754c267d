"""What surrounds the work of a tool: device, processes, seed, log, config file; taken down again whatever happens."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.engine.resume import check_same_run
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.distributed import close, is_main_process, setup_distributed, world_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.utils.log import close_logging, get_logger, setup_logging
from maskrcnn_benchmark.utils.seeding import seed_everything

logger = get_logger(__name__)


@dataclass(frozen=True)
class Run:
    """
    One call of a tool.

    Attributes:
        device: where the model works.
        output_dir: OUTPUT_DIR.
        checkpoints: the checkpoints in output_dir.
    """

    device: torch.device
    output_dir: Path
    checkpoints: Checkpointer


@contextmanager
def setup_run(cfg: Config, *, training: bool = False) -> Iterator[Run]:
    """
    Log, device, process group and seeds for a config, closed on any exit.

    Args:
        training: check that OUTPUT_DIR holds no other run's checkpoint (resume.check_same_run), and write config.yml there.
    Raises:
        UserError: OUTPUT_DIR belongs to another run, or is not a folder that can be written.
    """
    output_dir = Path(cfg.OUTPUT_DIR)
    if training:
        check_same_run(cfg, output_dir)
    _require_writable(output_dir)
    try:
        setup_logging(output_dir)
        device = setup_distributed(cfg.MODEL.DEVICE)
        seed_everything(cfg.SEED)
        if training and is_main_process():
            write_text(output_dir / "config.yml", cfg.dump())
        logger.info(environment(device))
        logger.debug("configuration:\n" + cfg.dump())
        yield Run(device, output_dir, Checkpointer(output_dir))
    except Exception as error:
        logger.debug("stopped by an error", exc_info=error)
        raise
    finally:
        close()
        close_logging()


def environment(device: torch.device) -> str:
    """Versions, device, processes and threads in one line, for the log."""
    threads = f"CPU, {torch.get_num_threads()} of {os.cpu_count()} threads"
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
    versions = f"maskrcnn_benchmark {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
    return f"{versions}torchvision {torchvision.__version__}; {where}; {world_size()} process(es); {platform.platform()}"


def _require_writable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"OUTPUT_DIR {folder} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
