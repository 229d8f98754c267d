"""Files that are there whole or not at all: written under a temporary name in the same folder, then renamed."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """
    Yields a temporary path beside `path` (made folders included, same suffix) that takes its place if the block succeeds.

    If the block raises, the temporary file is removed and whatever lay at `path` is untouched. A file is flushed to disk before the
    rename, so that a power cut leaves the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, obj: Any) -> None:
    """Writes plain Python values as indented JSON, atomically. NaN and infinity are refused (ValueError): JSON has no word for them."""
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
