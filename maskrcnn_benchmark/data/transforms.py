"""What is done to an image and its target between file and network, on uint8 tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from maskrcnn_benchmark.structures.bounding_box import BoxList

COLOURS = {
    "brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}  # fmt: skip


def resized_shape(width: int, height: int, min_size: int, max_size: int) -> tuple[int, int]:
    """
    (width, height) of an image whose shorter side becomes `min_size`, or less where the longer would pass `max_size`.

    The rule of maskrcnn-benchmark: the limit is rounded half to even, the longer side truncated.
    """
    short, long = min(width, height), max(width, height)
    size = min_size
    if long / short * size > max_size:
        size = int(round(max_size * short / long))
    size = max(size, 1)
    longer = int(size * long / short)
    return (size, longer) if width <= height else (longer, size)


class Transform:
    """
    Resizes, mirrors and recolours. What is drawn comes from the generator alone.

    Args:
        min_sizes: lengths of the shorter side, of which one is drawn per image.
        max_size: limit of the longer side.
        hflip, vflip: probabilities of mirroring left to right, and top to bottom.
        jitter: largest relative change of brightness, contrast and saturation, and shift of hue (at most 0.5), by name;
            default 0.
    """

    def __init__(
        self,
        *,
        min_sizes: Sequence[int],
        max_size: int,
        hflip: float = 0.0,
        vflip: float = 0.0,
        jitter: dict[str, float] | None = None,
    ):
        self.jitter = {name: strength for name, strength in (jitter or {}).items() if strength != 0}
        self.min_sizes, self.max_size, self.hflip, self.vflip = tuple(min_sizes), max_size, hflip, vflip

    @classmethod
    def from_config(cls, cfg: Any, *, training: bool) -> "Transform":
        """The transform of INPUT: with every draw in training, only the resizing otherwise."""
        node = cfg.INPUT
        if not training:
            return cls(min_sizes=(node.MIN_SIZE_TEST,), max_size=node.MAX_SIZE_TEST)
        return cls(
            min_sizes=node.MIN_SIZE_TRAIN,
            max_size=node.MAX_SIZE_TRAIN,
            hflip=node.HORIZONTAL_FLIP_PROB_TRAIN,
            vflip=node.VERTICAL_FLIP_PROB_TRAIN,
            jitter={name: node[name.upper()] for name in COLOURS},
        )

    def __call__(self, image: Tensor, target: BoxList, generator: np.random.Generator) -> tuple[Tensor, BoxList]:
        """
        Args:
            image: (3, h, w) uint8.
            target: boxes in the frame of that image or of any other size (they scale with it).
            generator: source of all draws.
        Returns:
            The changed image, in whatever memory layout it has (as decoded: channels last), and its boxes.
        """
        min_size = self.min_sizes[int(generator.integers(len(self.min_sizes)))]
        image = resize_image(image, resized_shape(image.size(2), image.size(1), min_size, self.max_size))
        target = target.resize((image.size(2), image.size(1)))
        if generator.random() < self.hflip:
            image, target = F.horizontal_flip(image), target.hflip()
        if generator.random() < self.vflip:
            image, target = F.vertical_flip(image), target.vflip()
        for name, strength in self.jitter.items():
            low, high = (-strength, strength) if name == "hue" else (max(0.0, 1 - strength), 1 + strength)
            image = COLOURS[name](image, float(generator.uniform(low, high)))
        return image, target


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) uint8 -> (3, height, width) uint8 of `size` (width, height); bilinear, antialiased as PIL's."""
    if (image.size(2), image.size(1)) == size:
        return image
    return F.resize(image, [size[1], size[0]], interpolation=InterpolationMode.BILINEAR, antialias=True)
