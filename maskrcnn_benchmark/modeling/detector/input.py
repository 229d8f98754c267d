"""From what a caller gives to what the backbone takes: normalised, on one canvas, on the model's device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.image_list import ImageList, to_image_list


class InputNormalizer(nn.Module):
    """Normalises uint8 images and pads a batch; float images are network input already."""

    def __init__(self, *, mean: Sequence[float], std: Sequence[float], bgr255: bool = True, size_divisibility: int = 0):
        """
        Args:
            mean, std: of a channel, in the network's order of channels.
            bgr255: the network takes blue, green, red from 0 to 255; otherwise red, green, blue from 0 to 1.
            size_divisibility: sides of the canvas are rounded up to a multiple of it.
        """
        super().__init__()
        self.bgr255, self.size_divisibility = bgr255, size_divisibility
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @classmethod
    def from_config(cls, cfg) -> "InputNormalizer":
        """Reads INPUT and DATALOADER.SIZE_DIVISIBILITY."""
        node = cfg.INPUT
        return cls(
            mean=node.PIXEL_MEAN,
            std=node.PIXEL_STD,
            bgr255=node.TO_BGR255,
            size_divisibility=cfg.DATALOADER.SIZE_DIVISIBILITY,
        )

    def forward(self, images: ImageList | Sequence[Tensor]) -> ImageList:
        """
        (3, h, w) tensors or an ImageList; uint8 is RGB, anything else network input -> network input on one canvas,
        zeros beyond each image, on this module's device and in its type.
        """
        if isinstance(images, ImageList):
            images = images.to(self.mean.device, non_blocking=True)
            tensors = images.tensors.to(self.mean.dtype)
            if images.tensors.dtype == torch.uint8:
                tensors = self.normalise(images.tensors) * _inside(images)
            return ImageList(tensors, images.image_sizes)
        images = [image.to(self.mean.device, non_blocking=True) for image in images]
        ready = [self.normalise(image) if image.dtype == torch.uint8 else image.to(self.mean.dtype) for image in images]
        return to_image_list(ready, self.size_divisibility)

    def normalise(self, image: Tensor) -> Tensor:
        """(..., 3, h, w) uint8 RGB -> network input."""
        pixels = image.flip(-3).to(self.mean.dtype) if self.bgr255 else image.to(self.mean.dtype) / 255
        return (pixels - self.mean) / self.std


def _inside(images: ImageList) -> Tensor:
    """(B, 1, H, W) 1 where an image is, 0 on the padding."""
    height, width = images.tensors.shape[-2:]
    sizes = torch.tensor(images.image_sizes, device=images.tensors.device)
    x = torch.arange(width, device=sizes.device) < sizes[:, :1]
    y = torch.arange(height, device=sizes.device) < sizes[:, 1:]
    return (y[:, :, None] & x[:, None, :])[:, None]


def check_targets(targets: Sequence[BoxList] | None, images: ImageList) -> list[BoxList] | None:
    """Targets on the images' device. ValueError: another number than of images, or one in another frame."""
    if targets is None:
        return None
    if len(targets) != len(images):
        raise ValueError(f"{len(images)} images came with {len(targets)} targets")
    for i, (target, size) in enumerate(zip(targets, images.image_sizes, strict=True)):
        if tuple(target.size) != tuple(size):
            raise ValueError(
                f"target {i} is in a frame of (width, height) {tuple(target.size)}, its image is {tuple(size)}: resize"
                " it with the image"
            )
    return [target.to(images.tensors.device) for target in targets]
