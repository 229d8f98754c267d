"""Boxes of several images to features of one size: each from the level of its own size, or from all levels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.layers import roi_align_levels

# A box of this side (pixels) belongs to this level of the pyramid (arXiv 1612.03144, equation 1).
CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4


def boxes_to_rois(boxes: Sequence[Tensor]) -> Tensor:
    """(n_i, 4) boxes per image -> (sum n_i, 5) rois, the image's number first."""
    image = torch.cat([image_boxes.new_full((len(image_boxes), 1), i) for i, image_boxes in enumerate(boxes)])
    return torch.cat([image, torch.cat(list(boxes))], dim=1)


def assign_levels(boxes: Tensor, finest: int, coarsest: int) -> Tensor:
    """
    Level of each box by the square root of its area (+1 convention).

    Args:
        boxes: (n, 4) xyxy.
        finest, coarsest: log2 of the strides of the levels at hand.
    Returns:
        (n,) int64, 0 = finest.
    """
    side = ((boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)).sqrt()
    level = torch.floor(CANONICAL_LEVEL + torch.log2(side / CANONICAL_SIDE + 1e-6))
    return level.clamp(min=finest, max=coarsest).to(torch.int64) - finest


class Pooler(nn.Module):
    """ROIAlign over a pyramid."""

    def __init__(self, resolution: int, scales: Sequence[float], sampling_ratio: int, *, reduced: int | None = None):
        """
        Args:
            resolution: height and width of what comes out.
            scales: 1/stride of each level used, finest first; levels beyond them are ignored.
            sampling_ratio: samples per bin and side; 0: as many as the bin is cells wide.
            reduced: width C of the levels; every box is pooled from every level, and the channels, side by side, are
                reduced to C again (3×3 convolution, ReLU). None, or a single level: from the level of its size.
        """
        super().__init__()
        self.resolution, self.scales, self.sampling_ratio = resolution, tuple(scales), sampling_ratio
        self.all_levels = reduced is not None and len(scales) > 1
        self.finest, self.coarsest = (round(-math.log2(scale)) for scale in (self.scales[0], self.scales[-1]))
        if self.all_levels:
            reduce = nn.Conv2d(reduced * len(self.scales), reduced, 3, padding=1)
            nn.init.kaiming_normal_(reduce.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(reduce.bias)
            self.reduce_channel = nn.Sequential(reduce, nn.ReLU(inplace=True))

    def forward(self, features: Sequence[Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """
        Args:
            features: (B, C, H_l, W_l) per level, finest first, at least one for each scale.
            boxes: (n_i, 4) xyxy in pixels of the input, one tensor per image.
        Returns:
            (sum n_i, C, resolution, resolution), boxes in their order.
        Raises:
            ValueError: fewer levels than scales.
        """
        if len(features) < len(self.scales):
            raise ValueError(f"Pooler: {len(features)} feature maps for {len(self.scales)} POOLER_SCALES {self.scales}")
        features, rois = features[: len(self.scales)], boxes_to_rois(boxes)
        rois = rois.to(features[0].dtype) if features[0].dtype == torch.float64 else rois.float()
        levels = None if self.all_levels else assign_levels(rois[:, 1:], self.finest, self.coarsest)
        pooled = roi_align_levels(features, rois, levels, self.resolution, self.scales, self.sampling_ratio)
        return self.reduce_channel(pooled) if self.all_levels else pooled
