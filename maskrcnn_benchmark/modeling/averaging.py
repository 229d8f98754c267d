"""Means over what all processes have sampled."""

import torch
from torch import Tensor

from maskrcnn_benchmark.utils.distributed import all_reduce_sum, world_size


def mean_over_samples(total: Tensor, count: int) -> Tensor:
    """
    This process's part of the mean over all processes' samples; 0 where there are none at all. To be called by every
    process.

    Args:
        total: sum over this process's samples.
        count: how many they are, 0 included.
    Returns:
        total · processes / all samples: the average over the processes, which is what gradient averaging takes, is the
        mean.
    """
    samples = all_reduce_sum(torch.full((), float(count), device=total.device))
    return total * world_size() / samples.clamp(min=1)
