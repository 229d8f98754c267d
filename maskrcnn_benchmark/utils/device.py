"""Which device a run works on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def resolve_device(name: str | torch.device) -> torch.device:
    """
    The device that MODEL.DEVICE names; the CPU, with one warning, where CUDA is asked for and absent. UserError: the
    name is no device, or a GPU of that number does not exist.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"MODEL.DEVICE '{name}' is no device; write cpu, cuda or cuda:0") from error
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        warn_once(logger, f"MODEL.DEVICE is {device}, but torch finds no CUDA device: going on on the CPU")
        return torch.device("cpu")
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise UserError(
            f"MODEL.DEVICE {device}: this machine has {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return device


def to_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors on the CPU; a GPU's are copied through page-locked memory and waited for once."""
    away = next((tensor.device for tensor in tensors if tensor.is_cuda), None)
    if away is None:
        return list(tensors)
    copies = [
        (
            torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
            if tensor.is_cuda
            else tensor
        )
        for tensor in (tensor.detach() for tensor in tensors)
    ]
    torch.cuda.synchronize(away)
    return copies
