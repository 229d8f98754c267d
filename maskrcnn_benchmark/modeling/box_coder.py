"""Boxes as offsets from other boxes (R-CNN, arXiv 1311.2524, appendix C), +1 convention."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# A box grows at most by this factor in one step.
MAX_GROWTH = 1000.0 / 16


class BoxCoder(nn.Module):
    """Boxes as (dx, dy, dw, dh) from reference boxes, and back; a module, so that its constants are on the device."""

    def __init__(self, weights: Sequence[float]):
        """weights: what each of the four offsets is multiplied by."""
        super().__init__()
        self.register_buffer("weights", torch.tensor([float(w) for w in weights]), persistent=False)

    def encode(self, boxes: Tensor, references: Tensor) -> Tensor:
        """(n, 4) xyxy that the offsets lead to, (n, 4) xyxy references where they start -> (n, 4) offsets."""
        size, centre = _size_and_centre(references)
        target_size, target_centre = _size_and_centre(boxes)
        offsets = torch.cat([(target_centre - centre) / size, torch.log(target_size / size)], dim=1)
        return offsets * self.weights.to(offsets)

    def decode(self, offsets: Tensor, references: Tensor) -> Tensor:
        """
        (n, C, 4) offsets, (n, 4) xyxy references -> (n, C, 4) boxes xyxy, float32 (float64 if the references are);
        sides grow at most MAX_GROWTH-fold.
        """
        size, centre = (part[:, None] for part in _size_and_centre(references))
        offsets = offsets.to(references.dtype) / self.weights.to(references)
        new_centre = offsets[..., :2] * size + centre
        new_size = torch.exp(offsets[..., 2:].clamp(max=math.log(MAX_GROWTH))) * size
        return torch.cat([new_centre - 0.5 * new_size, new_centre + 0.5 * new_size - 1], dim=-1)


def _size_and_centre(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return size, boxes[:, :2] + 0.5 * size
