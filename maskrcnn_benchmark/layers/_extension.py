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


_why_not = _load()
BUILT = not _why_not
_OPS = ("roi_align", "roi_pool", "nms", "greedy_labels", "relation_nms", "pair_masks", "box_iou")
# Looked up once: torch.compile cannot trace a question to the dispatcher.
_COMPILED = {
    (op, device)
    for op in _OPS
    for device in ("cpu", "cuda")
    if BUILT and torch._C._dispatch_has_kernel_for_dispatch_key(f"{NAMESPACE}::{op}", device.upper())
}


def compiled(op: str, device: torch.device) -> bool:
    """
    Is there a compiled form of this op for this device? If not, the caller takes its torch form.

    The first time that one is missing, a warning says why and how to build it; one warning a process for all ops.
    """
    if (op, device.type) in _COMPILED:
        return True
    if not BUILT:
        warn_once(
            logger,
            f"The compiled ops are missing ({_why_not}); slower torch forms take their place. "
            "To build them: pip install --no-build-isolation -e . (needs a C++ compiler)",
        )
    elif device.type == "cuda":
        warn_once(
            logger,
            "The compiled ops were built without CUDA; slower torch forms take their place on the GPU. "
            "To build them: FORCE_CUDA=1 pip install --no-build-isolation -e . (needs nvcc)",
        )
    return False


def check_boxes(op: str, name: str, boxes: torch.Tensor, rows: int | None = None) -> None:
    """ValueError unless these are floating-point boxes (n, 4), n = rows where that is given."""
    if boxes.dim() != 2 or boxes.size(1) != 4 or not boxes.is_floating_point():
        raise ValueError(f"{op}: {name} must be floating-point (n, 4) xyxy, got {tuple(boxes.shape)} {boxes.dtype}")
    if rows is not None and boxes.size(0) != rows:
        raise ValueError(f"{op}: {name} must have {rows} rows, got {boxes.size(0)}")
