"""ROIAlign without the half-pixel shift, as published weights expect it: of one map, or of the levels of a pyramid."""

from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor

from maskrcnn_benchmark.layers._extension import BUILT, check_maps, check_rois, compiled


def roi_align(
    features: Tensor, rois: Tensor, output_size: int | tuple[int, int], spatial_scale: float, sampling_ratio: int
) -> Tensor:
    """
    Mean of bilinear samples in each bin of each roi (He et al., Mask R-CNN; `aligned=False` of torchvision).

    Args:
        features: (B, C, H, W) float32, float64, float16 or bfloat16, any memory format; differentiable.
        rois: (k, 5) rows of batch index, x1, y1, x2, y2 in the frame of the image.
        output_size: bins (h, w), or one number for both.
        spatial_scale: cells of the map per pixel.
        sampling_ratio: samples per bin and axis; 0 or less: as many as a bin has cells, rounded up.
    Returns:
        (k, C, h, w) in the dtype of features.
    Raises:
        ValueError: wrong shapes or dtypes, or several devices. IndexError: a batch index or level that does not exist;
            on a GPU its driver's "device-side assert".
    """
    return _run("roi_align", [features], rois, None, output_size, [spatial_scale], sampling_ratio)


def roi_align_levels(
    features: Sequence[Tensor],
    rois: Tensor,
    levels: Tensor | None,
    output_size: int | tuple[int, int],
    spatial_scales: Sequence[float],
    sampling_ratio: int,
) -> Tensor:
    """
    ROIAlign of each roi from its own level of a pyramid, or from all of them side by side.

    Args:
        features: L maps (B, C, H_l, W_l) of equal B, C and dtype; differentiable.
        rois: (k, 5) as in `roi_align`.
        levels: (k,) int64, which map; None: every map.
        output_size, sampling_ratio: as in `roi_align`.
        spatial_scales: one per map.
    Returns:
        (k, C, h, w); from every map (k, L * C, h, w), the first map's channels first.
    """
    if levels is not None and (levels.shape != rois.shape[:1] or levels.dtype != torch.int64):
        raise ValueError(
            f"roi_align_levels: levels must be ({rois.size(0)},) int64, got {tuple(levels.shape)} {levels.dtype}"
        )
    return _run("roi_align_levels", list(features), rois, levels, output_size, spatial_scales, sampling_ratio)


def _run(
    op: str,
    features: list[Tensor],
    rois: Tensor,
    levels: Tensor | None,
    output_size: int | tuple[int, int],
    scales: Sequence[float],
    sampling_ratio: int,
) -> Tensor:
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    _check(op, features, rois, (height, width), scales)
    rois = rois.detach()
    if compiled("roi_align", features=features[0], rois=rois, levels=levels):
        return torch.ops.maskrcnn_benchmark.roi_align(
            features, rois, levels, height, width, list(scales), sampling_ratio
        )
    return _reference(features, rois, levels, (height, width), scales, sampling_ratio)


def _check(op: str, features: list[Tensor], rois: Tensor, size: tuple[int, int], scales: Sequence[float]) -> None:
    if not features or len(features) != len(scales):
        raise ValueError(f"{op}: one spatial scale a map is needed, got {len(features)} maps and {len(scales)} scales")
    first = features[0]
    for level in features:
        check_maps(op, level)
        if level.shape[:2] != first.shape[:2] or level.dtype != first.dtype or level.device != first.device:
            raise ValueError(
                f"{op}: maps must agree in batch, channels, dtype and device, got {tuple(first.shape)} {first.dtype}"
                f" {first.device} and {tuple(level.shape)} {level.dtype} {level.device}"
            )
    check_rois(op, rois, size)


def _reference(
    features: list[Tensor],
    rois: Tensor,
    levels: Tensor | None,
    size: tuple[int, int],
    scales: Sequence[float],
    sampling_ratio: int,
) -> Tensor:
    dtype = torch.promote_types(features[0].dtype, torch.float32)

    def pool(level: int, some: Tensor) -> Tensor:
        return torchvision.ops.roi_align(
            features[level].to(dtype), some.to(dtype), size, scales[level], sampling_ratio, aligned=False
        )

    if levels is None:
        pooled = torch.cat([pool(level, rois) for level in range(len(features))], dim=1)
    else:
        for roi in ((levels < 0) | (levels >= len(features))).nonzero()[:1, 0].tolist():
            raise IndexError(f"roi_align: roi {roi} names level {int(levels[roi])} of {len(features)}")
        pooled = rois.new_zeros((rois.size(0), features[0].size(1), *size), dtype=dtype)
        for level in range(len(features)):
            members = (levels == level).nonzero().squeeze(1)
            pooled = pooled.index_copy(0, members, pool(level, rois[members]))
    return pooled.to(features[0].dtype)


def _setup_context(ctx, inputs, output):  # noqa: ARG001
    features, rois, levels, _, _, ctx.scales, ctx.sampling_ratio = inputs
    ctx.save_for_backward(rois, levels)
    ctx.sizes = [*features[0].shape[:2], *(side for level in features for side in level.shape[2:])]


def _backward(ctx, grad):
    rois, levels = ctx.saved_tensors
    maps = torch.ops.maskrcnn_benchmark.roi_align_backward(
        grad, rois, levels, ctx.sizes, ctx.scales, ctx.sampling_ratio
    )
    return maps, None, None, None, None, None, None


if BUILT:

    @torch.library.register_fake("maskrcnn_benchmark::roi_align")
    def _(features, rois, levels, height, width, scales, sampling_ratio):  # noqa: ARG001
        channels = features[0].size(1) * (1 if levels is not None else len(features))
        return features[0].new_empty(rois.size(0), channels, height, width)

    @torch.library.register_fake("maskrcnn_benchmark::roi_align_backward")
    def _(grad, rois, levels, sizes, scales, sampling_ratio):  # noqa: ARG001
        images, channels, *sides = sizes
        return [grad.new_empty(images, channels, *sides[2 * level : 2 * level + 2]) for level in range(len(scales))]

    torch.library.register_autograd("maskrcnn_benchmark::roi_align", _backward, setup_context=_setup_context)
