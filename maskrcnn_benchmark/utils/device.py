"""Which device a run works on."""

import torch

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)


def resolve_device(name: str | torch.device) -> torch.device:
    """
    The device that MODEL.DEVICE names; the CPU, with one warning, where CUDA is asked for and absent.

    Raises:
        UserError: the name is no device, or a GPU of that number does not exist.
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
        raise UserError(f"MODEL.DEVICE {device}: this machine has {torch.cuda.device_count()} CUDA devices, counted from 0")
    return device
