"""Ops on plain box tensors: IoU of all pairs, and the masks of subject and object."""

import torch
from torch import Tensor

from maskrcnn_benchmark.layers._extension import BUILT, check_boxes, compiled


def box_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """
    IoU of every pair of (N, 4) and (M, 4) xyxy, with the +1 pixel convention (a box from 0 to 9 is 10 wide).

    Returns:
        (N, M) in the dtype of boxes_a. No gradient.
    """
    check_boxes("box_iou", "boxes_a", boxes_a)
    check_boxes("box_iou", "boxes_b", boxes_b)
    if compiled("box_iou", boxes_a=boxes_a, boxes_b=boxes_b):
        return torch.ops.maskrcnn_benchmark.box_iou(boxes_a.detach(), boxes_b.detach())
    return _box_iou_reference(boxes_a.detach(), boxes_b.detach())


def _box_iou_reference(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    area_a, area_b = ((b[:, 2] - b[:, 0] + 1) * (b[:, 3] - b[:, 1] + 1) for b in (boxes_a, boxes_b))
    low = torch.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    high = torch.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    inter = (high - low + 1).clamp(min=0).prod(dim=2)
    return (inter / (area_a[:, None] + area_b - inter)).to(boxes_a.dtype)


def pair_masks(subject_boxes: Tensor, object_boxes: Tensor, image_sizes: Tensor, resolution: int = 27) -> Tensor:
    """
    Where subject and object lie in their image, as two coarse masks per pair.

    The grid spans the whole image: a cell is 1 from floor(x1) to ceil(x2) inclusive, after x is scaled by resolution /
    width (y likewise).

    Args:
        subject_boxes, object_boxes: (P, 4), xyxy, pixels.
        image_sizes: (P, 2), unpadded (width, height) of each pair's image.
        resolution: cells a side.
    Returns:
        (P, 2, resolution, resolution), subject first, zeros and ones in the boxes' dtype. No gradient.
    """
    pairs = subject_boxes.size(0)
    check_boxes("pair_masks", "subject_boxes", subject_boxes)
    check_boxes("pair_masks", "object_boxes", object_boxes, rows=pairs)
    if image_sizes.shape != (pairs, 2):
        raise ValueError(f"pair_masks: image_sizes must be ({pairs}, 2) width, height, got {tuple(image_sizes.shape)}")
    if resolution < 1:
        raise ValueError(f"pair_masks: resolution must be positive, got {resolution}")
    subject_boxes, object_boxes = subject_boxes.detach(), object_boxes.detach()
    if compiled("pair_masks", subject_boxes=subject_boxes, object_boxes=object_boxes, image_sizes=image_sizes):
        return torch.ops.maskrcnn_benchmark.pair_masks(subject_boxes, object_boxes, image_sizes, resolution)
    return _pair_masks_reference(subject_boxes, object_boxes, image_sizes, resolution)


def _pair_masks_reference(subject_boxes: Tensor, object_boxes: Tensor, image_sizes: Tensor, resolution: int) -> Tensor:
    ratio = (resolution / image_sizes.double()).to(subject_boxes.dtype)[:, None].repeat(1, 1, 2)  # (P, 1, 4)
    boxes = torch.stack([subject_boxes, object_boxes], dim=1) * ratio  # (P, 2, 4)
    low, high = boxes[..., :2].floor(), boxes[..., 2:].ceil()
    cells = torch.arange(resolution, device=boxes.device)
    covers = (cells >= low[..., None]) & (cells <= high[..., None])  # (P, 2, axis, resolution)
    return (covers[:, :, 1, :, None] & covers[:, :, 0, None, :]).to(boxes.dtype)


if BUILT:

    @torch.library.register_fake("maskrcnn_benchmark::box_iou")
    def _(boxes_a, boxes_b):
        return boxes_a.new_empty(boxes_a.size(0), boxes_b.size(0))

    @torch.library.register_fake("maskrcnn_benchmark::pair_masks")
    def _(subject_boxes, object_boxes, image_sizes, resolution):  # noqa: ARG001
        return subject_boxes.new_empty(subject_boxes.size(0), 2, resolution, resolution)
