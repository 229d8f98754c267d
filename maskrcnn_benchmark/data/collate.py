"""A batch of images and targets as the loaders hand it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList

Item = tuple[Tensor, BoxList, int]


@dataclass
class Batch:
    """
    Args:
        images: uint8 (3, h, w) RGB tensors, each of its own size, in any memory layout: the model normalises, then pads
            them.
        targets: one BoxList per image, in the frame of that image.
        indices: of the images in their data set.
        skipped: how many images of the batch were left out because their file does not decode.
    """

    images: list[Tensor]
    targets: list[BoxList]
    indices: list[int]
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same on another device."""
        images = [image.to(device, non_blocking=non_blocking) for image in self.images]
        targets = [target.to(device, non_blocking=non_blocking) for target in self.targets]
        return Batch(images, targets, self.indices, self.skipped)

    def pin_memory(self) -> "Batch":
        """The same in page-locked memory."""
        images = [image.pin_memory() for image in self.images]
        return Batch(images, [target.pin_memory() for target in self.targets], self.indices, self.skipped)

    # A worker sends every tensor through a file descriptor of its own. Sent whole, a few batches would use up a
    # process's descriptors, so that all pixels travel as one tensor and targets as arrays.

    def __getstate__(self) -> dict[str, Any]:
        # Decoded images have their channels last in memory, where this order is free.
        pixels = [image.permute(1, 2, 0).reshape(-1) for image in self.images]
        return {
            "pixels": torch.cat(pixels) if pixels else torch.zeros(0, dtype=torch.uint8),
            "shapes": [tuple(image.shape) for image in self.images],
            "targets": [_plain(target) for target in self.targets],
            "indices": self.indices,
            "skipped": self.skipped,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        shapes = state["shapes"]
        parts = state["pixels"].split([channels * height * width for channels, height, width in shapes])
        self.images = [part.view(h, w, c).permute(2, 0, 1) for part, (c, h, w) in zip(parts, shapes, strict=False)]
        self.targets = [_boxlist(*parts) for parts in state["targets"]]
        self.indices, self.skipped = state["indices"], state["skipped"]


def _plain(target: BoxList) -> tuple[Any, ...]:
    fields = {name: target.get_field(name) for name in target.fields()}
    arrays = {
        name: (isinstance(value, Tensor), value.numpy() if isinstance(value, Tensor) else value)
        for name, value in fields.items()
    }
    return target.bbox.numpy(), target.size, target.mode, arrays


def _boxlist(boxes: Any, size: tuple[int, int], mode: str, arrays: dict[str, tuple[bool, Any]]) -> BoxList:
    target = BoxList(torch.from_numpy(boxes), size, mode)
    for name, (is_tensor, value) in arrays.items():
        target.add_field(name, torch.from_numpy(value) if is_tensor else value)
    return target


def collate(items: Sequence[Item | None]) -> Batch:
    """Items of a data set as a batch; None stands for an image that was left out."""
    present = [item for item in items if item is not None]
    images, targets, indices = ([item[field] for item in present] for field in range(3))
    return Batch(images, targets, indices, len(items) - len(present))
