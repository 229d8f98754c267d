"""Seeded boxes and rois, devices, and IoU in Python's floats."""

import pytest
import torch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
both_forms = pytest.mark.usefixtures("form")


def random_boxes(count: int, side: float = 100, most: float = 60, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(count, 4) xyxy, corners from 0 to side, sides of up to `most` pixels."""
    corner = torch.rand(count, 2, dtype=dtype) * side
    return torch.cat([corner, corner + torch.rand(count, 2, dtype=dtype) * most], dim=1)


def random_rois(count: int, images: int, side: float = 100, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(count, 5) batch index and box; some boxes hang over the border of an image of this side."""
    image = torch.randint(0, images, (count, 1)).to(dtype)
    return torch.cat([image, random_boxes(count, side, dtype=dtype) - 10], dim=1)


def iou_of(a, b) -> float:
    """IoU of two boxes, +1 pixel convention, in Python's floats."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = (tuple(float(v) for v in box) for box in (a, b))
    inter = max(min(ax2, bx2) - max(ax1, bx1) + 1, 0) * max(min(ay2, by2) - max(ay1, by1) + 1, 0)
    return inter / ((ax2 - ax1 + 1) * (ay2 - ay1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1) - inter)
