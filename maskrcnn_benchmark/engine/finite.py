"""Weights and momentum that are no longer numbers: found before they are used again or kept."""

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.utils.errors import UserError, some


def momentum_of(optimizer: torch.optim.Optimizer) -> dict[Tensor, Tensor]:
    """Parameter -> its momentum, for the parameters that have been updated."""
    buffers = {parameter: state.get("momentum_buffer") for parameter, state in optimizer.state.items()}
    return {parameter: buffer for parameter, buffer in buffers.items() if buffer is not None}


@torch.no_grad()
def require_finite(model: nn.Module, optimizer: torch.optim.Optimizer, when: str, *, buffers: bool = True) -> None:
    """
    UserError, with `when` and up to three names, where a weight, a momentum or, with `buffers`, a buffer is not finite.
    Waits once for the device.

    Such a run cannot go on: no update makes a number of what is none.
    """
    momentum = momentum_of(optimizer)
    tensors = dict(model.state_dict() if buffers else model.named_parameters())
    tensors |= {
        f"momentum of {name}": momentum[parameter]
        for name, parameter in model.named_parameters()
        if parameter in momentum
    }
    finite = torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).tolist() if tensors else []
    bad = [name for name, good in zip(tensors, finite, strict=True) if not good]
    if bad:
        raise UserError(
            f"{when}: {some(bad, 3, quoted=False)} not finite. Stopped; the same command goes on from the checkpoint"
            " before, and a lower SOLVER.BASE_LR, a longer SOLVER.WARMUP_ITERS or DTYPE bfloat16 instead of float16"
            " may help"
        )
