"""When a backbone runs as its folded copy: made at first use, and anew whenever the values behind it change."""

import torch
from torch import Tensor, fx, nn

from maskrcnn_benchmark.modeling.backbone.folding import fold_backbone
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)


class FoldedBackbone:
    """
    A backbone's folded copy, not registered as a module, so that the backbone's state dict stays as it is.

    Copies of a model, and models that are pickled, start without one.
    """

    def __init__(self) -> None:
        self._key: tuple | None = None
        self._sums: Tensor | None = None
        self._folded: nn.Module | None = None

    def __reduce__(self):
        return FoldedBackbone, ()

    def run(self, backbone: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
        """What `backbone.maps(x)` gives, up to rounding, in autocast's type where that is on. No gradient."""
        dtype = working_dtype(x)
        folded = self._current(backbone, dtype)
        if folded is None:
            return backbone.maps(x)
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            x = x.to(dtype)
            on_cpu_or_half = x.device.type == "cpu" or dtype != torch.float32
            return folded(x.contiguous(memory_format=torch.channels_last) if on_cpu_or_half else x)

    def _current(self, backbone: nn.Module, dtype: torch.dtype) -> nn.Module | None:
        """The folded copy of the backbone as it is now; None where it cannot be folded."""
        tensors = [*backbone.parameters(), *backbone.buffers()]
        key = (dtype, *((id(tensor), tensor._version, tensor.data_ptr(), tensor.device) for tensor in tensors))
        sums = bit_sums(tensors)
        if key != self._key or not torch.equal(sums, self._sums):
            self._key, self._sums, self._folded = key, sums, None  # the old copy goes before the new one comes
            try:
                self._folded = fold_backbone(backbone, dtype)
            except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AssertionError) as error:
                logger.info(f"the backbone runs as it is written, without folded norms ({error})")
        return self._folded


def may_run_folded(backbone: nn.Module, x: Tensor) -> bool:
    """Whether no gradient is needed from this backbone now, and it behaves as in evaluation."""
    if (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or x.dtype != torch.float32
        or any(t.is_inference() for t in backbone.buffers())
    ):
        return False
    parameters = list(backbone.parameters())
    if any(parameter.dtype != torch.float32 or parameter.is_inference() for parameter in parameters):
        return False
    frozen = not any(parameter.requires_grad for parameter in parameters)
    if torch.is_grad_enabled():
        return frozen and not x.requires_grad
    return frozen or not backbone.training


def working_dtype(x: Tensor) -> torch.dtype:
    """Autocast's type for the device of x where autocast is on, else the type of x."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def bit_sums(tensors: list[Tensor]) -> Tensor:
    """
    One number per tensor on the CPU, which any changed bit changes: its memory read as integers, added up.

    It finds what went past torch's count of changes, such as writes through `.data` or numpy; those on a GPU are not
    looked for, since the answer would have to be waited for in every step.
    """
    sums = [_flat_integers(tensor).sum() for tensor in tensors if tensor.device.type == "cpu" and tensor.numel()]
    return torch.stack(sums) if sums else torch.zeros(0, dtype=torch.int64)


def _flat_integers(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    dense = tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
    flat = tensor.as_strided((tensor.numel(),), (1,)) if dense else tensor.flatten()
    if not flat.is_floating_point():
        return flat
    places = (flat.numel() * flat.itemsize, flat.data_ptr(), flat.storage_offset() * flat.itemsize)
    wide = all(place % 8 == 0 for place in places)
    return flat.view(torch.int64 if wide else {2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.itemsize])
