"""What surrounds the work of a tool: device, processes, seed, log, config file; taken down again whatever happens."""

import fcntl
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
import torchvision

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.workers import worker_failure
from maskrcnn_benchmark.engine.same_run import check_same_run, config_text
from maskrcnn_benchmark.utils.checkpoint import Checkpointer
from maskrcnn_benchmark.utils.distributed import close, is_main_process, peer_failure, setup_distributed, world_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import write_text
from maskrcnn_benchmark.utils.log import close_logging, get_logger, setup_logging
from maskrcnn_benchmark.utils.seeding import seed_everything

logger = get_logger(__name__)
LOCK = ".lock"
# What ends a training at the next iteration, with a checkpoint.
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclass(frozen=True)
class Run:
    """
    One call of a tool.

    Attributes:
        device: where the model works.
        output_dir: OUTPUT_DIR.
        checkpoints: the checkpoints in output_dir.
        config: as config.yml holds it.
    """

    device: torch.device
    output_dir: Path
    checkpoints: Checkpointer
    config: str

    def note_config(self) -> None:
        """Writes OUTPUT_DIR/config.yml, by which a later start knows the run: once nothing can refuse it any more."""
        if is_main_process():
            write_text(self.output_dir / "config.yml", self.config)


@contextmanager
def setup_run(cfg: Config, *, training: bool = False) -> Iterator[Run]:
    """
    Log, device, process group and seeds for a config, closed on any exit.

    Args:
        training: lock OUTPUT_DIR, check that it holds no other run's checkpoint (same_run.check_same_run).
    Raises:
        UserError: OUTPUT_DIR is in use, belongs to another run, or is not a folder that can be written; a loader's
            worker or another process failed.
    """
    output_dir = Path(cfg.OUTPUT_DIR)
    if output_dir.exists() and not output_dir.is_dir():
        raise UserError(f"OUTPUT_DIR {output_dir} is a file; name a folder")
    output_dir.mkdir(parents=True, exist_ok=True)
    with only_training_in(output_dir) if training and is_main_process() else nullcontext():
        changes = check_same_run(cfg, output_dir) if training else []
        try:
            setup_logging(output_dir)
            device = setup_distributed(cfg.MODEL.DEVICE)
            seed_everything(cfg.SEED)
            for change in changes:
                logger.warning(change)
            logger.info(environment(device))
            logger.debug("configuration:\n" + cfg.dump())
            yield Run(device, output_dir, Checkpointer(output_dir), config_text(cfg))
        except Exception as error:
            logger.debug("stopped by an error", exc_info=error)
            if failure := worker_failure(error) or peer_failure(error):
                raise failure from error
            raise
        finally:
            close()
            close_logging()


@contextmanager
def only_training_in(folder: Path) -> Iterator[None]:
    """
    Holds folder/.lock for as long as the block runs, with a note in it of who does. The system lets go of the lock when
    the process ends, however it ends; child processes do not inherit it.

    Raises:
        UserError: another process holds it; says which one.
    """
    with open(folder / LOCK, "a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise UserError(
                f"OUTPUT_DIR {folder} is in use by {_holder(folder / LOCK)}: wait for it, stop it, or choose another"
                " OUTPUT_DIR"
            ) from error
        except OSError as error:
            logger.warning(f"OUTPUT_DIR {folder}: the file system has no locks ({error}); start no second run in it")
            yield
            return
        note = {"process": os.getpid(), "host": platform.node(), "started": time.strftime("%Y-%m-%d %H:%M:%S")}
        file.truncate(0)
        file.write(json.dumps(note | {"command": " ".join(sys.argv)[:200]}) + "\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # closing lets go of the lock


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        return f"process {note['process']} on {note['host']} since {note['started']} ({note['command']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


@dataclass
class StopRequest:
    """Whether this process has been asked to stop."""

    asked: bool = False


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """
    Turns SIGNALS into a request to stop for as long as the block runs. A second signal interrupts at once; one that is
    ignored from the start (nohup's SIGHUP) stays ignored. The loader's workers ignore all of them.

    Outside the main thread signals cannot be caught, and the request is never made.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
        if os.getpid() != process:
            return  # a loader's worker, which ends when this process lets it go
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True
        logger.warning(
            f"{signal.Signals(number).name}: stopping after this iteration, with a checkpoint; once more stops at once"
        )

    before = {
        number: signal.signal(number, handle) for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def environment(device: torch.device) -> str:
    """Versions, device, processes and threads in one line, for the log."""
    threads = f"CPU, {torch.get_num_threads()} of {os.cpu_count()} threads"
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
    versions = f"maskrcnn_benchmark {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
    return (
        f"{versions}torchvision {torchvision.__version__}; {where}; {world_size()} process(es); {platform.platform()}"
    )
