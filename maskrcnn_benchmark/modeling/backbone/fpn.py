"""Feature pyramid (arXiv 1612.03144): one width for every level, coarse levels added to finer ones."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.backbone.conv import Norm, conv2d


def _lateral(in_channels: int, out_channels: int, kernel: int, norm: Norm | None, relu: bool) -> nn.Module:
    layer = conv2d(in_channels, out_channels, kernel, bias=norm is None)
    after = ([norm(out_channels)] if norm is not None else []) + ([nn.ReLU(inplace=True)] if relu else [])
    return nn.Sequential(layer, *after) if after else layer


class FPN(nn.Module):
    """Levels P2, P3, … from a backbone's maps, and one more: every second cell of the coarsest."""

    def __init__(self, *, in_channels: Sequence[int], out_channels: int, norm: Norm | None = None, relu: bool = False):
        """
        Args:
            in_channels: widths of the backbone's maps, finest first.
            out_channels: width of every level.
            norm: makes the norm after each convolution, which then has no bias.
            relu: whether each convolution ends in a ReLU.
        """
        super().__init__()
        self.num_levels, self.out_channels = len(in_channels), out_channels
        for level, channels in enumerate(in_channels, start=1):
            self.add_module(f"fpn_inner{level}", _lateral(channels, out_channels, 1, norm, relu))
            self.add_module(f"fpn_layer{level}", _lateral(out_channels, out_channels, 3, norm, relu))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """
        Args:
            maps: one (B, C_l, H_l, W_l) per level, finest first, each half as large as the one before (rounded up).
        Returns:
            len(maps) + 1 tensors (B, out_channels, H_l, W_l), finest first.
        """
        level = self.num_levels
        top = getattr(self, f"fpn_inner{level}")(maps[-1])
        levels = [getattr(self, f"fpn_layer{level}")(top)]
        for level in range(self.num_levels - 1, 0, -1):
            lateral = getattr(self, f"fpn_inner{level}")(maps[level - 1])
            # Twice the size; a cell less where the canvas is no multiple of the coarsest stride.
            top = lateral + F.interpolate(top, size=lateral.shape[-2:], mode="nearest")
            levels.append(getattr(self, f"fpn_layer{level}")(top))
        levels = levels[::-1]
        return (*levels, F.max_pool2d(levels[-1], kernel_size=1, stride=2))
