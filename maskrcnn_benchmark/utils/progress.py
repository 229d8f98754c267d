"""Progress bars."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from maskrcnn_benchmark.utils.console import printable, stderr
from maskrcnn_benchmark.utils.distributed import is_main_process

T = TypeVar("T")


def progress(iterable: Iterable[T] | None = None, total: int | None = None, desc: str = "", unit: str = "it") -> tqdm:
    """
    A tqdm bar on stderr, on the main process only; to a file or a pipe it writes a line every ten seconds at most. It
    can also be driven by hand (`bar.update(1)`, `bar.set_postfix(...)`).
    """
    terminal = {"mininterval": 0.1, "dynamic_ncols": True, "file": stderr}
    place = terminal if stderr.isatty() else {"mininterval": 10.0, "file": _Lines(), "ncols": 79}
    return tqdm(iterable, total=total, desc=printable(desc), unit=unit, disable=not is_main_process(), **place)


class _Lines:
    """Turns each renewal of a bar into a line, for logs that no terminal shows."""

    encoding = "utf-8"

    def write(self, text: str) -> None:
        line = text.replace("\x1b[A", "").strip("\r\n ")  # bars inside bars move the cursor up
        if line:
            stderr.write(line + "\n")

    def flush(self) -> None:
        """Lines are written at once."""
