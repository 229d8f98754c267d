"""Reading image files into uint8 tensors."""

from pathlib import Path

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


def _to_uint8(image: Tensor) -> Tensor:
    """The first frame of an animation, the upper byte of 16-bit channels."""
    if image.dim() == 4:
        image = image[0]
    return image if image.dtype == torch.uint8 else (image.to(torch.int32) >> 8).to(torch.uint8)
