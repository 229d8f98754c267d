"""Reading image files, upright, into uint8 tensors; their sizes from the header alone."""

import io
import os
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.limits import ARRAY_BYTES, PIXELS

T = TypeVar("T")

_CURE = "fetch it again, or let DATASETS.SKIP_MISSING_IMAGES True leave such images out"
_DRAWINGS = ("EPS", "WMF")  # other programs would have to draw them
_JPEG = ("JPEG", "MPO")  # MPO: a JPEG with further pictures behind it
# EXIF orientation -> (mirrored left to right, quarter turns against the clock, after that) to stand upright.
_TURNS = {
    1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1),
}  # fmt: skip
# Pillow warns of oddities that do not matter here: EXIF entries that are cut, sizes that are limited below.
warnings.filterwarnings("ignore", module=r"PIL\.")
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError)


class ImageFileError(UserError):
    """An image file is missing, truncated, too large, or not what the annotations say."""


@dataclass(frozen=True)
class ImageHeader:
    """
    Args:
        format: Pillow's name of it.
        stored: (width, height) as the pixels lie in the file.
        orientation: EXIF's, from 1 (as it lies) to 8.
        frames: pictures in the file; the first one counts.
    """

    format: str
    stored: tuple[int, int]
    orientation: int
    frames: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) upright, as viewers and annotation tools show the image."""
        return self.stored[::-1] if _TURNS[self.orientation][1] % 2 else self.stored


def image_header(path: str | Path) -> ImageHeader:
    """Size and orientation of an image file, without decoding it. ImageFileError as read_image."""
    return _read(path, lambda file: _header(file, path))


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) of an image file as it stands upright, from its header. ImageFileError as read_image."""
    return image_header(path).size


def _read(path: str | Path, read: Callable[[BinaryIO], T]) -> T:
    """What `read` makes of an image file. ImageFileError if it is missing, too large, a device or a pipe."""
    try:
        found = os.stat(path)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise ImageFileError(f"image {path}: is no file but a device or pipe; {_CURE}")
        ARRAY_BYTES.check(found.st_size, f"image {path}", ImageFileError)
        with open(path, "rb") as file:
            return read(file)
    except UserError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
        why = getattr(error, "strerror", None) or error
        raise ImageFileError(f"image {path}: cannot be read ({why}); {_CURE}") from error


def _header(file: BinaryIO, path: str | Path) -> ImageHeader:
    if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < PIXELS.value:
        Image.MAX_IMAGE_PIXELS = PIXELS.value  # one limit, this one
    try:
        with Image.open(file) as image:
            kind, stored, frames = str(image.format), image.size, getattr(image, "n_frames", 1)
            # Pillow turns TIFF files by itself, and gives their size accordingly.
            orientation = 1 if kind == "TIFF" else image.getexif().get(ExifTags.Base.Orientation, 1)
    except Image.DecompressionBombError as error:
        raise ImageFileError(
            f"image {path}: too large ({error}); the environment variable {PIXELS.name} sets the limit"
        ) from error
    except _DAMAGE as error:
        raise ImageFileError(
            f"image {path}: its header is that of no image that is known (JPEG, PNG, WEBP, GIF, BMP, TIFF and what else"
            f" Pillow knows), or damaged; {_CURE}"
        ) from error
    if kind in _DRAWINGS:
        raise ImageFileError(f"image {path}: is a drawing ({kind}), not a picture; save it as JPEG or PNG")
    PIXELS.check(stored[0] * stored[1], f"image {path}", ImageFileError)
    return ImageHeader(kind, stored, orientation if orientation in _TURNS else 1, frames)


def read_image(path: str | Path, *, upright: bool = True) -> Tensor:
    """
    Decodes an image file of any usual format; of several frames the first.

    Args:
        upright: turn the image as its EXIF orientation says, as annotation tools show it; False: as it is stored (TIFF:
            upright too).
    Returns:
        (3, h, w) uint8 RGB.
    Raises:
        ImageFileError: the file is missing, truncated, larger than DATA_MAX_PIXELS or no image; the message names it.
    """
    data = _read(path, lambda file: np.fromfile(file, dtype=np.uint8))
    if len(data) == 0:
        raise ImageFileError(f"image {path}: the file is empty; {_CURE}")
    header = _header(io.BytesIO(data), path)
    image = _decode(data, header, path)
    mirrored, turns = _TURNS[header.orientation] if upright else (False, 0)
    image = image.flip(2) if mirrored else image
    return torch.rot90(image, turns, (1, 2)) if turns else image


def _decode(data: np.ndarray, header: ImageHeader, path: str | Path) -> Tensor:
    """The pixels as they lie in the file."""
    try:
        if header.format in _JPEG:
            return decode_image(torch.from_numpy(data), mode=ImageReadMode.RGB)
        # Not torchvision's decoders: a damaged PNG file can end the process in its.
        with Image.open(io.BytesIO(data)) as image:
            return torch.from_numpy(_rgb(image)).permute(2, 0, 1)
    except (RuntimeError, *_DAMAGE) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rsplit(", ", 1)[-1]
        raise ImageFileError(f"image {path}: does not decode ({reason}); {_CURE}") from error


def _rgb(image: Image.Image) -> np.ndarray:
    """(h, w, 3) uint8 of the first frame; of 16-bit channels the upper byte. ValueError for channels of 32 bits."""
    if image.mode.startswith("I;16"):
        return np.repeat((np.array(image) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ValueError("its channels have 32 bits whose range nobody knows: save it with 8")
    return np.array(image.convert("RGB"))
