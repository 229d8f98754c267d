"""The numbers by which images are known, and the names of their files."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.names import CONTROL
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.limits import ALLOW_OUTSIDE, outside_allowed
from maskrcnn_benchmark.utils.untrusted import is_whole, shown


def image_number(value: Any) -> int:
    """
    The number that an image is known by: a whole number, or text that is one ("4711"), is itself; any other text a
    number of 62 bits made of it, the same everywhere, so that predictions and proposals which name images by text meet
    them.

    Raises:
        ValueError: neither a whole number from 0 to 2^63 - 1 nor text.
    """
    if isinstance(value, (str, np.str_)):
        if value.isascii() and value.isdigit() and len(value) < 19:
            return int(value)
        return (
            int.from_bytes(hashlib.blake2b(value.encode(errors="surrogatepass"), digest_size=8).digest(), "little") >> 2
        )
    if isinstance(value, np.generic):
        value = value.item()
    if not is_whole(value) or not 0 <= value < 2**63:
        raise ValueError(f"must be a whole number from 0 or text, found {shown(value)}")
    return int(value)


def ids_from_names(names: Sequence[str]) -> np.ndarray:
    """
    Image ids (I,) int64 where a format has none: of the files' stems, or, where two files have one stem, of their whole
    names.
    """
    stems = [Path(name).stem for name in names]
    numbers = [image_number(stem) for stem in stems]
    if len(set(numbers)) < len(numbers):
        numbers = [image_number(name) for name in names]
    return np.array(numbers, dtype=np.int64)


def check_file_name(name: Any, where: str, *, copied: bool = False) -> None:
    """
    UserError unless this is the name of a file below the folder of images; `where` begins the message.

    Args:
        copied: a file will be written under that name, which is never allowed outside.
    """
    if not isinstance(name, str) or not name or CONTROL.search(name):
        raise UserError(
            f"{where}: the name of the image file must be text without control characters, found {shown(name)}"
        )
    if (os.path.isabs(name) or (".." in name and ".." in name.replace("\\", "/").split("/"))) and (
        copied or not outside_allowed()
    ):
        cure = "" if copied else f"; the environment variable {ALLOW_OUTSIDE}=1 allows it"
        raise UserError(f"{where}: must be relative to the folder of images and stay in it, found {shown(name)}{cure}")
