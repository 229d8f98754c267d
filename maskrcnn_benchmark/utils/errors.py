"""Errors that a user can mend, and how the command lines show them."""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from maskrcnn_benchmark.utils.console import hold_standard_streams, printable, stderr

logger = logging.getLogger(__name__)
_OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
_LESS_MEMORY = (
    "out of memory: lower SOLVER.IMS_PER_BATCH (SOLVER.ACCUMULATE makes up for it), TEST.IMS_PER_BATCH, --batch or the"
    " images' sizes. "
)


class UserError(ValueError):
    """Something the user gave is wrong; the message names it, what was expected, what was found, what to do."""


def some(names: Sequence[str], limit: int = 6, *, quoted: bool = True, between: str = ", ") -> str:
    """The first of many names, or phrases, for a message, and how many more there are."""
    first = between.join(f"'{name}'" if quoted else name for name in names[:limit])
    return first + (f" and {len(names) - limit} more" if len(names) > limit else "")


def run_tool(main: Callable[[], int]) -> int:
    """
    Runs a command line's main function and turns what a user can mend into one line on stderr.

    Returns:
        main's status; 2 after a UserError, a failure of the file system or a lack of memory; 130 after Ctrl-C. Any
        other exception is a fault of the program and passes with its traceback.
    """
    hold_standard_streams()
    try:
        return main()
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        logger.debug("stopped by an error", exc_info=True)
        cure = "" if isinstance(error, (UserError, OSError)) else _LESS_MEMORY
        line = printable(f"error: {cure}{' '.join(str(error).split())}")
        stderr.write(line + "\n")
        _tell_torchrun(line)
        return 2
    except KeyboardInterrupt:
        stderr.write(
            "interrupted: files already written stay; the same command goes on from the last checkpoint of a training\n"
        )
        return 130


def _tell_torchrun(line: str) -> None:
    """
    Leaves the line where torchrun's summary of a failed process looks for it, in the form of
    torch.distributed.elastic's `record`, whose traceback it takes the place of.
    """
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not file:
        return
    said = {"message": line, "extraInfo": {"py_callstack": line, "timestamp": str(int(time.time()))}}
    try:
        Path(file).write_text(json.dumps({"message": said}), encoding="utf-8")
    except OSError as error:
        logger.debug("torchrun's error file %s: %s", file, error)
