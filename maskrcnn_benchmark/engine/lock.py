"""One training at a time in a folder."""

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)
LOCK = ".lock"


@contextmanager
def only_training_in(folder: Path) -> Iterator[None]:
    """
    Holds folder/.lock for as long as the block runs, with a note in it of who does.

    The system lets go of the lock when the process ends, however it ends: a file that a killed run left is no lock.
    Child processes do not inherit it.

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
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        note = {
            "process": os.getpid(),
            "host": platform.node(),
            "started": started,
            "command": " ".join(sys.argv)[:200],
        }
        file.truncate(0)
        file.write(json.dumps(note) + "\n")
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
