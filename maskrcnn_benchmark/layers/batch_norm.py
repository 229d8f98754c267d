"""Batch normalisation whose statistics and affine terms are fixed."""

import torch
from torch import Tensor, nn


class FrozenBatchNorm2d(nn.Module):
    """
    y = (x - running_mean) · weight / √running_var + bias, nothing added to the variance, as published weights expect.
    Buffers `weight`, `bias`, `running_mean`, `running_var` (channels,) and no count of batches.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """The layer as y = x · scale + shift, two tensors (channels,)."""
        scale = self.weight * self.running_var.rsqrt()
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> the same shape and dtype."""
        scale, shift = (t.to(x.dtype)[None, :, None, None] for t in self.scale_and_shift())
        return x * scale + shift

    def extra_repr(self) -> str:
        return str(self.weight.numel())
