"""
Several processes that train as one.

A loss that is a mean is divided, in the model, by the count over all processes and multiplied by their number, so that
the average over processes is the mean over everything; here gradients are averaged. The modules with batch statistics
reduce them themselves.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from maskrcnn_benchmark.utils.distributed import all_gather_objects, all_reduce_sum, world_size

# Numbers that one message carries: large enough to fill a link, small enough not to double the memory of a large model.
BUCKET = 1 << 25


@torch.no_grad()
def broadcast_model(model: nn.Module) -> None:
    """Gives every process the first one's parameters and buffers."""
    if world_size() == 1:
        return
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """
    Replaces each gradient by its mean over the processes.

    A process whose part of the batch did not touch a parameter counts with zeros; a parameter that no process touched
    keeps no gradient, so that the optimizer leaves it alone as it would in one process.
    """
    parameters = list(parameters)
    if world_size() == 1 or not parameters:
        return
    touched = all_reduce_sum(
        torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
    ).tolist()
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter, count in zip(parameters, touched, strict=True):
        if not count:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        bucket.append(parameter)
        size += parameter.numel()
        if size >= BUCKET:
            _average(bucket)
            bucket, size = [], 0
    _average(bucket)


def _average(bucket: list[nn.Parameter]) -> None:
    if not bucket:
        return
    flat = torch.cat([p.grad.flatten() for p in bucket])
    dist.all_reduce(flat)
    flat /= world_size()
    for parameter, mean in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
        parameter.grad.copy_(mean.view_as(parameter))


def mean_values(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars averaged over all processes by name; a process without a name counts 0."""
    own = {name: float(value) for name, value in values.items() if value.device.type == "cpu"}
    if elsewhere := {name: value.float() for name, value in values.items() if name not in own}:
        own |= zip(elsewhere, torch.stack(list(elsewhere.values())).tolist(), strict=True)  # one wait for all
    if world_size() == 1:
        return own
    gathered = all_gather_objects(own)
    names = dict.fromkeys(name for one in gathered for name in one)
    return {name: sum(one.get(name, 0.0) for one in gathered) / world_size() for name in names}
