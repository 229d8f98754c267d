"""The numbers by which images are known, and the names of their files."""

import hashlib
import os
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.names import CONTROL
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.limits import ALLOW_OUTSIDE, outside_allowed
from maskrcnn_benchmark.utils.untrusted import is_whole, shown

# Paths are no longer than 4096 bytes; with a name's the folder's must fit.
_LONGEST = 2048


def plain_id(value: int | float | str) -> int | str:
    """One form of an id that may be a number or its text: "0011" and 11.0 are 11."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 19):
        return value
    return int(value)


def image_number(value: Any, where: str = "an image id") -> int:
    """
    The number that an image is known by: a whole number, or text that is one ("4711"), is itself; any other text a
    number of 62 bits made of it, the same everywhere, so that predictions and proposals which name images by text meet
    them.

    Raises:
        UserError: neither a whole number from 0 to 2^63 - 1 nor text; `where` begins the message.
    """
    value = value.item() if isinstance(value, np.generic) else value
    number = plain_id(value) if isinstance(value, str) or is_whole(value) else -1
    if isinstance(number, str):
        digest = hashlib.blake2b(number.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 2
    if not 0 <= number < 2**63:
        raise UserError(f"{where} must be a whole number from 0 or text, found {shown(value)}")
    return number


def ids_from_names(names: Sequence[str]) -> np.ndarray:
    """Image ids (I,) int64 where a format has none: of the files' stems, or of whole names if stems repeat."""
    stems = [Path(name).stem for name in names]
    numbers = [image_number(stem) for stem in stems]
    if len(set(numbers)) < len(numbers):
        numbers = [image_number(name) for name in names]
    return np.array(numbers, dtype=np.int64)


def image_file_name(name: Any, where: str, *, copied: bool = False) -> str:
    """
    The name of a file below the folder of images in its one spelling: "./a//b.jpg" is "a/b.jpg".

    Args:
        copied: a file will be written under that name, which is never allowed outside.
    Raises:
        UserError: no such name; `where` begins the message.
    """
    if not isinstance(name, str) or not name or CONTROL.search(name):
        raise UserError(
            f"{where}: the name of the image file must be text without control characters, found {shown(name)}"
        )
    if len(name.encode()) > _LONGEST:
        raise UserError(f"{where}: the name of the image file must have at most {_LONGEST} bytes, found {shown(name)}")
    outside = os.path.isabs(name) or ".." in name.replace("\\", "/").split("/")
    if outside and (copied or not outside_allowed()):
        cure = "" if copied else f"; the environment variable {ALLOW_OUTSIDE}=1 allows it"
        raise UserError(f"{where}: must be relative to the folder of images and stay in it, found {shown(name)}{cure}")
    return posixpath.normpath(name)
