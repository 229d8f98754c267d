"""Anchors, the boxes that an RPN starts from (arXiv 1506.01497), to the pixel as published weights expect them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from maskrcnn_benchmark.utils.errors import UserError


def cell_anchors(stride: int, sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """
    Anchors of the first cell of a level.

    A ratio r shapes the cell's square: width round(√(s²/r)), height round(width · r), halves to even; a size S scales
    that by S/s about the cell's centre (s − 1)/2.

    Args:
        stride: s, pixels per cell.
        sizes: side of the anchors' squares in pixels.
        ratios: height over width.
    Returns:
        (len(ratios) · len(sizes), 4) float32 xyxy, +1 convention; ratios outer, sizes inner.
    """
    width = np.round(np.sqrt(stride**2 / np.asarray(ratios, np.float64)))
    height = np.round(width * np.asarray(ratios, np.float64))
    scales = np.asarray(sizes, np.float64) / stride
    half = np.stack([np.outer(side, scales).ravel() - 1 for side in (width, height)], axis=1) / 2
    centre = (stride - 1) / 2
    return torch.from_numpy(np.concatenate([centre - half, centre + half], axis=1).astype(np.float32))


class AnchorGenerator(nn.Module):
    """All anchors of a pyramid of feature maps."""

    def __init__(
        self, *, sizes: Sequence[Sequence[float]], strides: Sequence[int], ratios: Sequence[float], straddle: int = 0
    ):
        """
        Args:
            sizes: for each level, its anchors' sizes in pixels.
            strides: of the levels, in pixels per cell.
            ratios: height over width, the same for all levels.
            straddle: pixels that a counted anchor may reach beyond the image; negative: any.
        """
        super().__init__()
        self.strides, self.straddle = tuple(strides), straddle
        self.cell_anchors = nn.Module()  # one buffer per level, numbered, as published files have them
        for level, (stride, size) in enumerate(zip(strides, sizes, strict=True)):
            self.cell_anchors.register_buffer(str(level), cell_anchors(stride, size, ratios))

    @classmethod
    def from_config(cls, cfg) -> "AnchorGenerator":
        """Reads MODEL.RPN: with USE_FPN one of ANCHOR_SIZES a stride, otherwise all of them on the one stride."""
        node = cfg.MODEL.RPN
        sizes, strides = tuple(node.ANCHOR_SIZES), tuple(node.ANCHOR_STRIDE)
        if node.USE_FPN and len(sizes) != len(strides):
            raise UserError(
                f"MODEL.RPN.USE_FPN needs one of ANCHOR_SIZES for each of ANCHOR_STRIDE, found {sizes} and {strides}"
            )
        if not node.USE_FPN and len(strides) != 1:
            raise UserError(f"MODEL.RPN.USE_FPN False takes a single ANCHOR_STRIDE, found {strides}")
        per_level = (
            [size if isinstance(size, (tuple, list)) else (size,) for size in sizes] if node.USE_FPN else [sizes]
        )
        return cls(sizes=per_level, strides=strides, ratios=node.ASPECT_RATIOS, straddle=node.STRADDLE_THRESH)

    def anchors_per_cell(self) -> int:
        """Number of anchors per cell; all levels share one head. UserError if levels differ."""
        counts = {len(anchors) for anchors in self.cell_anchors.buffers()}
        if len(counts) != 1:
            raise UserError(
                f"MODEL.RPN.ANCHOR_SIZES: every level needs as many anchors as the others, found {sorted(counts)}"
            )
        return counts.pop()

    def forward(self, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """
        (height, width) of each level's map -> (height · width · A, 4) float32 xyxy per level: rows outer, columns
        inner, the cell's anchors innermost.
        """
        if len(sizes) != len(self.strides):
            raise UserError(
                f"MODEL.RPN.ANCHOR_STRIDE names {len(self.strides)} levels, the backbone gives {len(sizes)} feature"
                " maps"
            )
        levels = []
        for anchors, stride, size in zip(self.cell_anchors.buffers(), self.strides, sizes, strict=True):
            y, x = (torch.arange(side, device=anchors.device, dtype=anchors.dtype) * stride for side in size)
            shift = torch.stack([*torch.meshgrid(x, y, indexing="xy")] * 2, dim=-1)  # (height, width, 4)
            levels.append((shift[:, :, None] + anchors).reshape(-1, 4))
        return levels

    def inside(self, anchors: Tensor, size: tuple[int, int]) -> Tensor:
        """(n,) bool: which of (n, 4) anchors count in training on an image of (width, height), padding apart."""
        if self.straddle < 0:
            return torch.ones(len(anchors), dtype=torch.bool, device=anchors.device)
        x1, y1, x2, y2 = anchors.unbind(1)
        reach = self.straddle
        return (x1 >= -reach) & (y1 >= -reach) & (x2 < size[0] + reach) & (y2 < size[1] + reach)
