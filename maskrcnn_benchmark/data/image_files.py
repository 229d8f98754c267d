"""Reading image files into uint8 tensors."""

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from maskrcnn_benchmark.utils.errors import UserError

_CURE = "fetch it again, or let DATASETS.SKIP_MISSING_IMAGES True leave such images out"


class ImageFileError(UserError):
    """An image file is missing, truncated, or not what the annotations say."""


def read_image(path: str | Path, *, upright: bool = False) -> Tensor:
    """
    Decodes an image file of any usual format.

    Args:
        upright: turn the image as its EXIF orientation says; False: as it is stored, which is how data sets are annotated.
    Returns:
        (3, h, w) uint8 RGB.
    Raises:
        ImageFileError: the file is missing, truncated or no image; the message names it.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ImageFileError(f"image {path}: cannot be read ({error.strerror or error}); {_CURE}") from error
    if len(data) == 0:
        raise ImageFileError(f"image {path}: the file is empty; {_CURE}")
    try:
        return _to_uint8(decode_image(torch.from_numpy(data), mode=ImageReadMode.RGB, apply_exif_orientation=upright))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if "Unsupported" not in reason:  # torchvision knows the format, so the file is at fault
            raise ImageFileError(f"image {path}: does not decode ({reason.rsplit(', ', 1)[-1]}); {_CURE}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION))
    if image is None:
        raise ImageFileError(f"image {path}: no image that is known (JPEG, PNG, WEBP, GIF, BMP, TIFF and what else OpenCV reads); {_CURE}")
    return torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).permute(2, 0, 1)


def image_size(path: str | Path) -> tuple[int, int]:
    """(width, height) of an image file, from its header alone where it is a JPEG. ImageFileError as read_image."""
    try:
        with open(path, "rb") as file:
            size = _jpeg_size(file)
    except OSError as error:
        raise ImageFileError(f"image {path}: cannot be read ({error.strerror or error}); {_CURE}") from error
    if size is None:
        image = read_image(path)
        size = (image.size(2), image.size(1))
    return size


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """The size in a JPEG's frame header, found by walking over its segments; None if it is no JPEG or has none."""
    if file.read(2) != b"\xff\xd8":
        return None
    while True:
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # frame headers; the three are tables
            frame = file.read(5)
            return (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")) if len(frame) == 5 else None
        file.seek(length - 2, 1)


def _to_uint8(image: Tensor) -> Tensor:
    """The first frame of an animation, the upper byte of 16-bit channels."""
    if image.dim() == 4:
        image = image[0]
    return image if image.dtype == torch.uint8 else (image.to(torch.int32) >> 8).to(torch.uint8)
