"""The processes that load images: which signals reach them, how they end, and what PyTorch's errors about them mean."""

import atexit
import multiprocessing
import multiprocessing.connection
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from maskrcnn_benchmark.utils.errors import UserError

# How workers hand over images; below this many bytes there is no room for a batch.
SHARED_MEMORY, LITTLE = Path("/dev/shm"), 64 << 20
_started: set[Any] = set()


def ignore_signals(worker: int) -> None:  # noqa: ARG001 (the signature of worker_init_fn)
    """In a worker: what asks a whole group to stop is left to the main process, which may still need batches."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def outcomes(loader: DataLoader) -> Iterator[Any]:
    """What a loader brings. Its workers end with this process, or at once where the next outcome does not come."""
    before = set(multiprocessing.active_children())
    iterator = iter(loader)
    started = set(multiprocessing.active_children()) - before
    _started.update(started)
    while True:
        try:
            outcome = next(iterator)
        except StopIteration:
            return
        except BaseException as error:
            lost = _lost(started) if isinstance(error, (OSError, EOFError)) else None
            _end(started)
            if lost is not None:
                raise lost from error
            raise
        yield outcome


def _lost(workers: set[Any]) -> RuntimeError | None:
    """PyTorch's own error about a dead worker, where taking over what it had sent failed before PyTorch noticed."""
    ended = multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=1)
    for worker in workers:
        if worker.sentinel in ended:
            worker.join(1)  # its exit code may be there a moment later
        if worker.exitcode:
            killed = f"is killed by signal: {signal.strsignal(abs(worker.exitcode))}"
            how = killed if worker.exitcode < 0 else "exited unexpectedly"
            return RuntimeError(f"DataLoader worker (pid {worker.pid}) {how}")
    return None


def _end(workers: set[Any]) -> None:
    """Kills workers; PyTorch, which takes the end of a worker for an error, does not hear of it."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if main else None
    for worker in workers:
        worker.kill()
        worker.join()
    if handler is not None:
        signal.signal(signal.SIGCHLD, handler)


# A forked process has no workers of its parent's.
os.register_at_fork(after_in_child=_started.clear)


@atexit.register
def _end_stalled() -> None:
    """Those that did not end when told to: Python would wait for them without end."""
    _end({worker for worker in _started if worker.is_alive()})


def worker_failure(error: BaseException) -> UserError | None:
    """What PyTorch's error about a loader's worker means, as one line; None for any other error."""
    text = str(error) if isinstance(error, RuntimeError) else ""
    free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else LITTLE
    memory = (
        f"{SHARED_MEMORY}, where workers hand over images, has {free / 2**20:.0f} MiB left: enlarge it (docker run"
        " --shm-size), or lower DATALOADER.NUM_WORKERS; 0 needs none"
    )
    if match := re.search(r"DataLoader timed out after ([\d.]+) seconds", text):
        alive = ", ".join(str(worker.pid) for worker in _started if worker.is_alive())
        stalled = (
            f"the workers (processes {alive or 'gone'}) stall, as on a disk that does not answer: raise the key if they"
            " are only slow; with DATALOADER.NUM_WORKERS 0 this process reads itself"
        )
        return UserError(
            f"no batch came for {match[1]} seconds (DATALOADER.TIMEOUT): {memory if free < LITTLE else stalled}"
        )
    if match := re.search(
        r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)", text
    ):
        killed = "memory may have run out, or somebody ended it: lower DATALOADER.NUM_WORKERS, or start again"
        happened = match[2].replace("is killed", "was killed").strip()
        cause = memory if free < LITTLE or "Bus error" in happened else killed
        return UserError(f"a process that loads images ({match[1].strip()}) {happened}: {cause}")
    if re.search(r"(/torch_|shm|shared memory).*No space left", text, re.DOTALL):
        return UserError(memory)
    return None
