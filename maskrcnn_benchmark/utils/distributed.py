"""torch.distributed under torchrun; every function is a no-op or the identity in a single process."""

import os
import re
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from maskrcnn_benchmark.utils.device import resolve_device
from maskrcnn_benchmark.utils.errors import UserError

# Longest wait for another process. torchrun ends all of them when one dies, so this has only to outlast what one does
# alone while the others wait, such as writing a large checkpoint to a slow disk.
TIMEOUT = timedelta(hours=1)


def _running() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number, from 0; before setup_distributed, torchrun's RANK."""
    return dist.get_rank() if _running() else int(os.environ.get("RANK", 0))


def world_size() -> int:
    """Number of processes that work together: 1 until setup_distributed has joined a group."""
    return dist.get_world_size() if _running() else 1


def is_main_process() -> bool:
    """Whether this process writes the files and prints."""
    return rank() == 0


def setup_distributed(device: str | torch.device) -> torch.device:
    """
    Joins the process group that torchrun announces and returns this process's device with its number. On GPUs, tensors
    there travel by nccl and everything else by gloo, so that gathered objects take no GPU memory.

    Args:
        device: MODEL.DEVICE. "cuda" means the first GPU, under torchrun that of LOCAL_RANK; the CPU, with one warning,
            where there is none.
    Raises:
        UserError: no such device, or more processes on this machine than GPUs.
    """
    device = resolve_device(device)
    processes = int(os.environ.get("WORLD_SIZE", 1))
    on_cuda = device.type == "cuda"
    if on_cuda:
        device = torch.device("cuda", _local_gpu() if processes > 1 else device.index or 0)
        torch.cuda.set_device(device)
    if processes > 1 and not _running():
        backend = "cpu:gloo,cuda:nccl" if on_cuda else "gloo"
        dist.init_process_group(backend, timeout=TIMEOUT, device_id=device if on_cuda else None)
    return device


def _local_gpu() -> int:
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local_rank >= gpus:
        raise UserError(
            f"LOCAL_RANK {local_rank} wants a GPU of its own, but this machine shows {gpus}: "
            f"torchrun --nproc_per_node {gpus} starts a process a GPU (CUDA_VISIBLE_DEVICES may hide some)"
        )
    return local_rank


def peer_failure(error: BaseException) -> UserError | None:
    """What a broken connection to another process means, as one line; None for any other error."""
    if world_size() > 1 and isinstance(error, RuntimeError) and re.search("gloo|nccl|closed by peer", str(error), re.I):
        return UserError(f"process {rank()} lost another one, whose own message says why")
    return None


def close() -> None:
    """Leaves the process group, if there is one."""
    if _running():
        dist.destroy_process_group()


def barrier() -> None:
    """Waits until every process is here; the GPUs are not asked."""
    all_gather_objects(None)


def all_reduce_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Sum of a tensor over all processes, as a new tensor without gradient. Shapes must agree between the processes."""
    total = tensor.detach().clone()
    if world_size() > 1:
        dist.all_reduce(total)
    return total


class _AllReduceSum(torch.autograd.Function):
    """Every process's loss depends on every process's x, so the gradients are summed as the values are."""

    @staticmethod
    def forward(_ctx, tensor):
        return all_reduce_sum(tensor)

    @staticmethod
    def backward(_ctx, gradient):
        return all_reduce_sum(gradient)


def all_reduce_sum_autograd(tensor: torch.Tensor) -> torch.Tensor:
    """all_reduce_sum through which gradients flow to every process's x; every process must call backward."""
    return _AllReduceSum.apply(tensor) if world_size() > 1 else tensor


def all_gather_objects(obj: Any) -> list[Any]:
    """One object from each process, in order of rank. For small things: it is sent as bytes to everybody."""
    if world_size() == 1:
        return [obj]
    gathered = [None] * world_size()
    dist.all_gather_object(gathered, obj)
    return gathered
