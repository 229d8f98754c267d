"""Being asked to stop: SIGTERM, SIGHUP and Ctrl-C end a training at the next iteration, with a checkpoint."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


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
