"""Means over what all processes have sampled."""

import torch
from torch import Tensor

from maskrcnn_benchmark.utils.distributed import all_reduce_sum, world_size


def mean_over_processes(total: Tensor, weight: Tensor | int) -> Tensor:
    """
    This process's part of the mean over all processes' samples; 0 where there are none at all. To be called by every
    process.

    Args:
        total: sum over this process's samples, each times its weight.
        weight: sum of the weights; the number of samples where all count alike, 0 included.
    Returns:
        total · processes / weight of all processes: the average over the processes, which is what gradient averaging
        takes, is the mean.
    """
    if not isinstance(weight, Tensor):
        weight = torch.full((), float(weight), device=total.device)
    weight = all_reduce_sum(weight)
    return total * world_size() / torch.where(weight > 0, weight, torch.ones_like(weight))
