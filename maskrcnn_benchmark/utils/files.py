"""Files that are there whole or not at all: written under a temporary name in the same folder, then renamed."""

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.utils.errors import UserError

# What a temporary name holds: the machine and the process that write it, so that what a killed one left is told from
# what is being written.
_HOST = hashlib.blake2b(platform.node().encode(), digest_size=3).hexdigest()
_TEMPORARY = re.compile(r"\..+\.tmp-(?P<host>[0-9a-f]{6})-(?P<process>\d+)-\w{8}(?:\.\w+)?")
# After this long nobody is still writing a file, wherever the process is or was.
_ORPHANED = 24 * 3600
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_swept: set[Path] = set()


@contextmanager
def atomic_path(path: str | Path, *, wanted: int = 0) -> Iterator[Path]:
    """
    Yields a temporary path beside `path` (made folders included, same suffix) that takes its place if the block
    succeeds; else it is removed and whatever lay at `path` is untouched. Flushed to disk before the rename, so that a
    power cut leaves the old file or the new one. What killed processes left in the folder is removed first.

    Args:
        wanted: bytes that the file will have at least, where that is known.
    Raises:
        UserError: no space for it on the disk.
    """
    path = Path(path)
    prefix = _temporary_prefix(path)
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise _no_space(path, wanted, free)
    temporary = path.with_name(f"{prefix}{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        if not _is_full(error):
            raise
        length = temporary.stat().st_size if temporary.exists() else 0
        raise _no_space(path, max(wanted, length), shutil.disk_usage(path.parent).free) from error
    finally:
        temporary.unlink(missing_ok=True)


def temporary_folder(path: Path) -> tempfile.TemporaryDirectory:
    """A folder beside `path`, for as long as a `with` block runs, for files that belong together."""
    return tempfile.TemporaryDirectory(prefix=_temporary_prefix(path), dir=path.parent)


def _temporary_prefix(path: Path) -> str:
    """How the name of a temporary file or folder beside `path` begins, once that place is made and swept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.resolve() not in _swept:
        _swept.add(path.parent.resolve())
        sweep(path.parent)
    # As much of the name as always leaves room for the rest, whatever its letters: names have 255 bytes.
    return f".{path.stem[:40]}.tmp-{_HOST}-{os.getpid()}-"


def _is_full(error: Exception) -> bool:
    """Whether a write failed for want of space; PyTorch's own writer says no more than that it failed."""
    if isinstance(error, OSError):
        return error.errno in _FULL or os.strerror(errno.ENOSPC) in str(error)
    return bool(re.search("PytorchStreamWriter failed writing|unexpected pos", str(error)))


def _no_space(path: Path, wanted: int, free: int) -> UserError:
    return UserError(
        f"no space left for {path}: at least {wanted / 2**20:.2f} MiB are wanted, {free / 2**20:.2f} MiB are free there"
        " (a quota or limit may allow less); free some, or write elsewhere"
    )


def sweep(folder: Path) -> list[str]:
    """
    Removes the temporary files and folders of this module whose process is gone from this machine, and those of other
    machines that are a day old, and returns their names.
    """
    gone = []
    for entry in os.scandir(folder):
        match = _TEMPORARY.fullmatch(entry.name)
        if match is None:
            continue
        with suppress(OSError):  # another process may sweep or finish it meanwhile, or it is not ours to remove
            left_alone = match["host"] == _HOST and not _is_running(int(match["process"]))
            if entry.is_symlink() or not (left_alone or time.time() - entry.stat().st_mtime > _ORPHANED):
                continue
            if entry.is_dir():
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
            gone.append(entry.name)
    return gone


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def require_file(path: Path, what: str) -> None:
    """UserError, which calls it `what`, unless a file is at a path."""
    if not path.is_file():
        raise UserError(f"{what} {path} is {'a folder: name a file' if path.is_dir() else 'not there'}")


def write_text(path: str | Path, text: str) -> None:
    """Writes text as UTF-8, atomically. Bytes of a file's name that are none stand there as `\\udcff`, as in JSON."""
    content = text.encode(errors="backslashreplace")
    with atomic_path(path, wanted=len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | Path, obj: Any) -> None:
    """Writes plain values as indented JSON, atomically. ValueError for NaN and infinity: JSON has no word for them."""
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
