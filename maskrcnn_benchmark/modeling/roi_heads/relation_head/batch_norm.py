"""Batch normalisation for few rows and for many processes."""

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.utils.distributed import all_reduce_sum, all_reduce_sum_autograd, world_size


class _SteadyBatchNorm:
    """
    What is common to the classes below.

    In training the statistics are those of all processes' rows together (torch's SyncBatchNorm refuses CPU tensors).
    With at most one value per channel, where there is no variance and torch raises an error, the running statistics are
    used and stay as they are.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._normalise(x, self.running_mean, self.running_var)
        values = x.numel() // max(x.size(1), 1)
        if world_size() == 1:
            return super().forward(x) if values > 1 else self._normalise(x, self.running_mean, self.running_var)
        return self._forward_over_processes(x, values)

    def _forward_over_processes(self, x: Tensor, values: int) -> Tensor:
        """Mean, then squared distances from it, each one reduction; every process takes part, with or without rows."""
        count = all_reduce_sum(torch.tensor(float(values), device=x.device))
        dims = [d for d in range(x.dim()) if d != 1]
        mean = all_reduce_sum_autograd(x.float().sum(dims)) / count.clamp(min=1)
        squares = all_reduce_sum_autograd((x.float() - self._as_channels(mean, x)).square().sum(dims))
        if count <= 1:
            return self._normalise(x, self.running_mean, self.running_var) + 0.0 * squares.sum()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(squares.detach() / (count - 1), self.momentum)
        return self._normalise(x, mean, squares / count)

    def _normalise(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return x * self._as_channels(scale, x) + self._as_channels(self.bias - mean * scale, x)

    @staticmethod
    def _as_channels(values: Tensor, x: Tensor) -> Tensor:
        return values.view([1, -1] + [1] * (x.dim() - 2)).to(x.dtype) if x.dim() > 2 else values.to(x.dtype)


class BatchNorm1d(_SteadyBatchNorm, nn.BatchNorm1d):
    """nn.BatchNorm1d over the rows of all processes; the running statistics for a single row or none."""


class BatchNorm2d(_SteadyBatchNorm, nn.BatchNorm2d):
    """nn.BatchNorm2d over the maps of all processes; the running statistics for a single cell or none."""
