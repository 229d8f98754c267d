"""The loop: damage, read, judge."""

import shutil
import signal
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fuzz.mutate import choose, mutate
from tests.fuzz.readers import REFUSED, Reader, all_readers

SECONDS = 10  # an input that takes longer hangs


@dataclass
class Outcome:
    """Counts by reader and end; a text for each input that ended wrongly."""

    counts: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def table(self) -> str:
        """A line a reader."""
        readers = sorted({reader for reader, _ in self.counts})
        ends = ("refused", "read right", "wrong")
        return "\n".join(
            f"{reader:20}" + "".join(f"{end} {self.counts[reader, end]:<6}" for end in ends) for reader in readers
        )


class _HangError(Exception):
    """A reader that does not come back."""


def _alarm(*_: object) -> None:
    raise _HangError


def fuzz(folder: Path, inputs: int, *, seed: int = 0, only: str | None = None) -> Outcome:
    """
    Reads `inputs` damaged inputs, drawn by `seed`, in turn from every reader or from one.

    An input ends right if the reader refuses it in one readable line, or gives what a plain reading of the damaged
    files gives.
    """
    scratch = folder / "scratch"
    readers = {name: reader for name, reader in all_readers(scratch).items() if only in (None, name)}
    outcome = Outcome()
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        for number in range(inputs):
            name = list(readers)[number % len(readers)]
            place = folder / "input"
            place.mkdir()
            end = _one(readers[name], place, np.random.default_rng([seed, number]))
            shutil.rmtree(place)
            outcome.counts[name, end if end in ("refused", "read right") else "wrong"] += 1
            if end not in ("refused", "read right"):
                outcome.failures.append(f"{name}, input {number} of seed {seed}: {end}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return outcome


def _one(reader: Reader, place: Path, draw: np.random.Generator) -> str:
    """How reading a damaged input ends."""
    victim = choose(list(reader.files), draw)
    for name, data in reader.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutate(name, data, draw) if name == victim else data)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        found = reader.read(place)
    except REFUSED as error:
        text = str(error)
        return (
            "refused" if text.strip() and not any(letter in text for letter in "\x1b\x00") else f"unreadable: {text!r}"
        )
    except _HangError:
        return f"does not end within {SECONDS} s"
    except Exception as error:  # noqa: BLE001 (whatever else comes out is what is looked for)
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if found is None or reader.again is None:
        return "read right"
    try:
        again = reader.again(place)
    except Exception as error:  # noqa: BLE001 (no plain reading can be had)
        return f"accepted, though a plain reading fails: {type(error).__name__}: {error}"
    return (
        "read right"
        if sorted(map(repr, found)) == sorted(map(repr, again))
        else f"accepted as another graph: {found} for {again}"[:400]
    )
