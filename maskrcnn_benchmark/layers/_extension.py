"""The compiled ops, if they were built: `maskrcnn_benchmark._C`, reached as torch.ops.maskrcnn_benchmark."""

import importlib

import torch

from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)
NAMESPACE = "maskrcnn_benchmark"


def _load() -> str:
    """Registers the ops. Returns why that was not possible, or an empty string."""
    try:
        importlib.import_module("maskrcnn_benchmark._C")
    except ImportError as error:
        return str(error)
    return ""


WHY_NOT = _load()
BUILT = not WHY_NOT
_OPS = ("roi_align", "roi_pool", "nms", "greedy_labels", "relation_nms", "pair_masks", "box_iou")
# Looked up once: torch.compile cannot trace a question to the dispatcher.
_COMPILED = {
    (op, device)
    for op in _OPS
    for device in ("cpu", "cuda")
    if BUILT and torch._C._dispatch_has_kernel_for_dispatch_key(f"{NAMESPACE}::{op}", device.upper())
}


def compiled(op: str, **tensors: torch.Tensor | None) -> bool:
    """
    Is there a compiled form of this op for the device of its tensors? If not, the caller takes its torch form.

    The first time that one is missing, a warning says why and how to build it; one warning per process for all ops.

    Args:
        tensors: all that the op takes, by the names that its caller knows; None for one that is left out.
    Raises:
        ValueError: they lie on several devices. A kernel would read a host pointer.
    """
    devices = {name: tensor.device for name, tensor in tensors.items() if tensor is not None}
    device = next(iter(devices.values()))
    if any(other != device for other in devices.values()):
        found = ", ".join(f"{name} on {other}" for name, other in devices.items())
        raise ValueError(f"{op}: all tensors must be on one device, got {found}")
    if (op, device.type) in _COMPILED:
        return True
    if not BUILT:
        warn_once(
            logger,
            f"The compiled ops are missing ({WHY_NOT}); slower torch forms take their place. "
            "To build them: pip install --no-build-isolation -e . (needs a C++ compiler)",
        )
    elif device.type == "cuda":
        warn_once(
            logger,
            "The compiled ops were built without CUDA; slower torch forms take their place on the GPU. "
            "To build them: FORCE_CUDA=1 pip install --no-build-isolation -e . (needs nvcc)",
        )
    return False


def check_maps(op: str, maps: torch.Tensor) -> None:
    """ValueError unless these are floating-point feature maps (B, C, H, W)."""
    if maps.dim() != 4 or not maps.is_floating_point():
        raise ValueError(f"{op}: features must be floating-point (B, C, H, W), got {tuple(maps.shape)} {maps.dtype}")


def check_rois(op: str, rois: torch.Tensor, size: tuple[int, int]) -> None:
    """ValueError unless these are floating-point rois (k, 5), to be pooled to one cell or more."""
    if rois.dim() != 2 or rois.size(1) != 5 or not rois.is_floating_point():
        found = f"{tuple(rois.shape)} {rois.dtype}"
        raise ValueError(f"{op}: rois must be floating-point (k, 5) batch index, x1, y1, x2, y2, got {found}")
    if min(size) < 1:
        raise ValueError(f"{op}: output_size must be positive, got {size}")


def check_boxes(op: str, name: str, boxes: torch.Tensor, rows: int | None = None) -> None:
    """ValueError unless these are floating-point boxes (n, 4), n = rows where that is given."""
    if boxes.dim() != 2 or boxes.size(1) != 4 or not boxes.is_floating_point():
        raise ValueError(f"{op}: {name} must be floating-point (n, 4) xyxy, got {tuple(boxes.shape)} {boxes.dtype}")
    if rows is not None and boxes.size(0) != rows:
        raise ValueError(f"{op}: {name} must have {rows} rows, got {boxes.size(0)}")
