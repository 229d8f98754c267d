"""One logger tree for the package: a console that progress bars survive, and OUTPUT_DIR/log.txt."""

import logging
import os
import sys
from pathlib import Path

from tqdm import tqdm

from maskrcnn_benchmark.utils.console import printable, stderr

PACKAGE = "maskrcnn_benchmark"
_warned: set[str] = set()


class _Console(logging.Handler):
    """Writes to stderr: on a terminal above any progress bar, elsewhere as plain lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if stderr.isatty():
            tqdm.write(self.format(record), file=stderr)
        else:
            stderr.write(self.format(record) + "\n")


class _LogFile(logging.FileHandler):
    """log.txt. Where it cannot be written any more, on a full disk, the console says so once and the work goes on."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 (logging's name and argument)
        if not self.failed:
            self.failed = True
            stderr.write(
                f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}; messages go to the console alone\n"
            )


class _Formatter(logging.Formatter):
    """Lines in which names from files cannot steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _ConsoleFormatter(_Formatter):
    """Short lines: a level is said where it is not the usual one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        if record.levelno != logging.INFO:
            record.message = f"{record.levelname} {record.message}"
        return super().formatMessage(record)


def get_logger(name: str = PACKAGE) -> logging.Logger:
    """The logger of a module, `get_logger(__name__)`; names outside the package are put under it."""
    inside = name == PACKAGE or name.startswith(PACKAGE + ".")
    return logging.getLogger(name if inside else f"{PACKAGE}.{name.strip('_')}")


def setup_logging(output_dir: str | Path | None = None) -> None:
    """
    Sends the package's messages to the console and, if `output_dir` is given, to its log.txt, in place of an earlier
    call. Only the main process (torchrun's RANK 0) prints and writes; the others show errors alone.
    """
    close_logging()
    main_process = int(os.environ.get("RANK", 0)) == 0
    root = logging.getLogger(PACKAGE)
    root.setLevel(logging.DEBUG)
    console = _Console(logging.INFO if main_process else logging.ERROR)
    console.setFormatter(_ConsoleFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    root.addHandler(console)
    if output_dir is not None and main_process:
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        file = _LogFile(folder / "log.txt", encoding="utf-8")
        file.setLevel(logging.DEBUG)
        file.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(file)


def close_logging() -> None:
    """Closes and removes the handlers that setup_logging added."""
    root = logging.getLogger(PACKAGE)
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


def warn_once(logger: logging.Logger, message: str) -> None:
    """Logs a warning the first time that this text is seen in this process."""
    if message not in _warned:
        _warned.add(message)
        logger.warning(message)
