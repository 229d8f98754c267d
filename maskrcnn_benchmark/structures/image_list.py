"""A batch of images of different sizes on one canvas."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageList:
    """
    Images padded right and below to one canvas.

    Args:
        tensors: (B, 3, H, W).
        image_sizes: (width, height) of each image without padding.
    Raises:
        ValueError: another number of sizes than images, or an image larger than the canvas.
    """

    tensors: Tensor
    image_sizes: list[tuple[int, int]]

    def __post_init__(self) -> None:
        if self.tensors.dim() != 4 or len(self.image_sizes) != self.tensors.size(0):
            raise ValueError(
                f"ImageList: expected (B, 3, H, W) and B sizes, got {tuple(self.tensors.shape)} and"
                f" {len(self.image_sizes)} sizes"
            )
        height, width = self.tensors.shape[-2:]
        for size in self.image_sizes:
            if size[0] > width or size[1] > height:
                raise ValueError(
                    f"ImageList: an image of (width, height) {tuple(size)} on a canvas of {(width, height)}"
                )

    def __len__(self) -> int:
        return len(self.image_sizes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ImageList":
        """The same on another device."""
        return ImageList(self.tensors.to(device, non_blocking=non_blocking), self.image_sizes)


def to_image_list(images: "Sequence[Tensor] | ImageList", size_divisibility: int = 0) -> ImageList:
    """
    Pads images with zeros, right and below, to the largest height and width among them.

    Args:
        images: tensors (3, h, w) of one type; an ImageList comes back as it is.
        size_divisibility: height and width of the canvas are rounded up to a multiple of it; 0: not rounded.
    Raises:
        ValueError: no image, or one that is not (3, h, w).
    """
    if isinstance(images, ImageList):
        return images
    if len(images) == 0:
        raise ValueError("to_image_list: a batch needs at least one image")
    for image in images:
        if image.dim() != 3 or image.size(0) != 3:
            raise ValueError(f"to_image_list: images must be (3, h, w), got {tuple(image.shape)}")
    step = max(size_divisibility, 1)
    height = -(-max(image.size(1) for image in images) // step) * step
    width = -(-max(image.size(2) for image in images) // step) * step
    canvas = images[0].new_zeros((len(images), 3, height, width))
    for place, image in zip(canvas, images, strict=True):
        place[:, : image.size(1), : image.size(2)] = image
    return ImageList(canvas, [(image.size(2), image.size(1)) for image in images])
