"""ROIPool: the largest value in each bin of each roi."""

import torch
import torchvision
from torch import Tensor

from maskrcnn_benchmark.layers._extension import BUILT, check_maps, check_rois, compiled


def roi_pool(features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float) -> Tensor:
    """
    Max pooling of each roi into a fixed grid (Girshick, Fast R-CNN).

    Args:
        features: (B, C, H, W) float32, float64, float16 or bfloat16, any memory format; differentiable.
        rois: (k, 5) rows of batch index, x1, y1, x2, y2 in the frame of the image; rounded to whole cells.
        output_size: bins (h, w), or one number for both.
        spatial_scale: cells of the map per pixel.
    Returns:
        (k, C, h, w) in the dtype of features; 0 where a bin lies outside of the map.
    Raises:
        ValueError: wrong shapes or dtypes. IndexError: a batch index that does not exist (CPU).
    """
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    check_maps("roi_pool", features)
    check_rois("roi_pool", rois, (height, width))
    rois = rois.detach()
    if compiled("roi_pool", features=features, rois=rois):
        return torch.ops.maskrcnn_benchmark.roi_pool(features, rois, height, width, spatial_scale)[0]
    return _reference(features, rois, (height, width), spatial_scale)


def _reference(features: Tensor, rois: Tensor, size: tuple[int, int], spatial_scale: float) -> Tensor:
    dtype = torch.promote_types(features.dtype, torch.float32)
    return torchvision.ops.roi_pool(features.to(dtype), rois.to(dtype), size, spatial_scale).to(features.dtype)


def _setup_context(ctx, inputs, output):
    features, rois = inputs[:2]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(rois, output[1])
    ctx.sizes = list(features.shape)


def _backward(ctx, grad, _):
    rois, argmax = ctx.saved_tensors
    return torch.ops.maskrcnn_benchmark.roi_pool_backward(grad, rois, argmax, ctx.sizes), None, None, None, None


if BUILT:

    @torch.library.register_fake("maskrcnn_benchmark::roi_pool")
    def _(features, rois, height, width, scale):  # noqa: ARG001
        pooled = features.new_empty(rois.size(0), features.size(1), height, width)
        return pooled, torch.empty_like(pooled, dtype=torch.int64)

    @torch.library.register_fake("maskrcnn_benchmark::roi_pool_backward")
    def _(grad, rois, argmax, sizes):  # noqa: ARG001
        return grad.new_empty(sizes)

    torch.library.register_autograd("maskrcnn_benchmark::roi_pool", _backward, setup_context=_setup_context)
