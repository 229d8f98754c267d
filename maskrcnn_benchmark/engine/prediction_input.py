"""
What a caller of prediction may give: images of four kinds, boxes, labels; brought to one form, or refused in one line.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.data.image_files import ImageFileError, read_image
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError

# Images with a shorter side than this, in pixels, hold nothing to be found.
MIN_SIDE = 8


def as_image(image: Any, name: str) -> Tensor:
    """
    Args:
        image: path of a file, PIL image (both turned upright as their EXIF orientation says), (h, w, 3) or grey (h, w)
            uint8 array, or (3, h, w) uint8 tensor; RGB.
        name: what it is called in messages.
    Returns:
        (3, h, w) uint8 RGB on the CPU.
    Raises:
        UserError: anything else, or an image under MIN_SIDE; ImageFileError for a file that is none.
    """
    if isinstance(image, (str, Path)):
        pixels, name = read_image(image, upright=True), f"image {image}"
    elif isinstance(image, Tensor):
        pixels = image.detach().cpu()
    else:
        pixels = _from_array(image if isinstance(image, np.ndarray) else _from_pil(image, name))
    if pixels.dtype != torch.uint8 or pixels.dim() != 3 or pixels.size(0) != 3:
        raise UserError(
            f"{name}: expected RGB values from 0 to 255 as (h, w, 3) uint8 array or (3, h, w) uint8 tensor, found "
            f"{tuple(image.shape)} {image.dtype}; several images are given as a list"
        )
    height, width = pixels.shape[1:]
    if min(height, width) < MIN_SIDE:
        raise UserError(f"{name}: {width} x {height} pixels; each side must have {MIN_SIDE} at least")
    return pixels


def as_picture(image: Any, pixels: Tensor) -> str | np.ndarray:
    """What a graph keeps to be drawn on: the path of a file, else the pixels, (h, w, 3) uint8."""
    return str(image) if isinstance(image, (str, Path)) else pixels.permute(1, 2, 0).contiguous().numpy()


def as_boxes(boxes: Any, labels: Any, size: tuple[int, int], objects: Sequence[str], name: str) -> BoxList:
    """
    Args:
        boxes: (n, 4) xyxy in pixels of the upright image, anything numpy takes.
        labels: n names, or numbers from 1, of `objects`; None: not given.
        size: (width, height) of the image.
        objects: names of the classes, background first.
        name: of the image, in messages.
    Returns:
        Boxes, with field `labels` (n,) where they are given.
    Raises:
        UserError: another shape, a box that is empty or leaves the image, a label that is no class.
    """
    try:
        found = boxes.detach().cpu().double().numpy() if isinstance(boxes, Tensor) else np.asarray(boxes)
        if found.size and found.dtype.kind not in "iuf":  # text and truth values are no numbers
            raise TypeError(f"found {found.dtype}")
        values = found.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UserError(f"{name}: its boxes must be rows of four numbers x1, y1, x2, y2 ({error})") from error
    values = values.reshape(0, 4) if values.size == 0 else values
    if values.ndim != 2 or values.shape[1] != 4:
        raise UserError(f"{name}: its boxes must be rows of four numbers x1, y1, x2, y2, found an array {values.shape}")
    limits = np.array([*size, *size], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        inside = np.isfinite(values) & (values >= 0) & (values <= limits)
        good = inside.all(1) & (values[:, :2] < values[:, 2:]).all(1)
    if not good.all():
        row = int((~good).argmax())
        raise UserError(
            f"{name}: box {row} is {values[row].tolist()}; expected x1 < x2 and y1 < y2 in pixels of the upright image,"
            f" {size[0]} wide and {size[1]} high"
        )
    given = BoxList(torch.from_numpy(values), size)
    if labels is not None:
        given.add_field("labels", _class_numbers(labels, len(given), objects, name))
    return given


def why_left_out(error: UserError) -> str:
    """The message without what readers of data sets advise behind the last semicolon, which helps in training alone."""
    return str(error).rpartition("; ")[0] if isinstance(error, ImageFileError) else str(error)


def require_known(names: Sequence[str], vocabulary: Sequence[str], what: str) -> None:
    """UserError, with the nearest known ones, if a name is not in the vocabulary, which begins with the background."""
    known = vocabulary[1:]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            hint = f"{'near it are' if near else 'it begins with'} {', '.join(map(repr, near or known[:3]))}"
            raise UserError(f"{what} {name!r} is not among the model's {len(known)} names; {hint}")


def _class_numbers(labels: Any, count: int, objects: Sequence[str], name: str) -> Tensor:
    labels = labels.tolist() if isinstance(labels, (Tensor, np.ndarray, np.generic)) else labels
    if isinstance(labels, str) or not isinstance(labels, Sequence):
        raise UserError(f"{name}: its labels must be a list with one per box, found {type(labels).__name__}")
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if len(labels) != count:
        raise UserError(f"{name}: {count} boxes came with {len(labels)} labels")
    require_known([label for label in labels if isinstance(label, str)], objects, f"{name}: label")
    numbers = [objects.index(label) if isinstance(label, str) else label for label in labels]
    for one in numbers:
        if not isinstance(one, int) or isinstance(one, bool) or not 0 < one < len(objects):
            raise UserError(f"{name}: label {one!r} is neither a class's name nor its number, 1 to {len(objects) - 1}")
    return torch.tensor(numbers, dtype=torch.int64)


def _from_array(image: np.ndarray) -> Tensor:
    """Channels first; a grey image three times. Other types and shapes stay, for the message."""
    if image.dtype != np.uint8:
        return torch.zeros(0)
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    return torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, 0) if image.ndim == 3 else torch.zeros(0)


def _from_pil(image: Any, name: str) -> np.ndarray:
    from PIL import Image, ImageOps

    if not isinstance(image, Image.Image):
        raise UserError(f"{name}: expected a path, a PIL image, an array or a tensor, found {type(image).__name__}")
    if image.mode.startswith(("I", "F")):
        raise UserError(
            f"{name}: a PIL image of mode {image.mode}; bring it to 8 bits a channel first, or give its path"
        )
    try:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, TypeError, KeyError) as error:  # as Pillow names damage, and other modes
        raise UserError(f"{name}: a PIL image of mode {image.mode} that cannot be read as RGB ({error})") from error
