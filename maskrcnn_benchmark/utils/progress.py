"""Progress bars."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from maskrcnn_benchmark.utils.distributed import is_main_process

T = TypeVar("T")


def progress(iterable: Iterable[T] | None = None, total: int | None = None, desc: str = "", unit: str = "it") -> tqdm:
    """
    Wraps an iterable in a bar on stderr with rate and remaining time, on the main process only.

    Written to a file or a pipe the bar is renewed every ten seconds at most. The bar that is returned can also be driven by hand
    (`bar.update(1)`, `bar.set_postfix(...)`).
    """
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(iterable, total=total, desc=desc, unit=unit, mininterval=interval, dynamic_ncols=True, disable=not is_main_process())
