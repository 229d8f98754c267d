"""Convolutions and norms as the backbones of this family start them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

Norm = Callable[[int], nn.Module]


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1; weights Kaiming uniform (a = 1), bias 0."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, dilation * (kernel // 2), dilation, groups, bias)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def linear(in_features: int, out_features: int, norm: Norm | None = None) -> nn.Module:
    """A fully connected layer, Kaiming uniform (a = 1), bias 0; with a norm: without bias, the norm after it."""
    layer = nn.Linear(in_features, out_features, bias=norm is None)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    if norm is not None:
        return nn.Sequential(layer, norm(out_features))
    nn.init.zeros_(layer.bias)
    return layer


class DeformableConv(nn.Module):
    """
    A 3×3 convolution whose nine taps move by offsets that another convolution predicts (arXiv 1703.06211); modulated,
    each tap is also weighted by a predicted number in (0, 1) (arXiv 1811.11168).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        deformable_groups: int = 1,
        modulated: bool = False,
    ):
        super().__init__()
        taps = 9 * deformable_groups
        self.num_offsets, self.modulated = 2 * taps, modulated
        self.offset = conv2d(
            in_channels, (3 if modulated else 2) * taps, 3, stride=stride, dilation=dilation, bias=True
        )
        self.conv = DeformConv2d(in_channels, out_channels, 3, stride, dilation, dilation, groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H/stride, W/stride)."""
        predicted = self.offset(x)
        inputs = [x, predicted]
        if self.modulated:
            inputs = [x, predicted[:, : self.num_offsets], predicted[:, self.num_offsets :].sigmoid()]
        with torch.autocast(x.device.type, enabled=False):  # in the weights' type: a CPU's op knows no half precision
            return self.conv(*(part.to(self.conv.weight.dtype) for part in inputs)).to(x.dtype)


def group_norm_from_config(cfg) -> Norm:
    """MODEL.GROUP_NORM as a function of a number of channels; DIM_PER_GP, if positive, decides the number of groups."""
    node = cfg.MODEL.GROUP_NORM

    def norm(channels: int) -> nn.GroupNorm:
        groups = channels // node.DIM_PER_GP if node.DIM_PER_GP > 0 else node.NUM_GROUPS
        return nn.GroupNorm(groups, channels, node.EPSILON)

    return norm
