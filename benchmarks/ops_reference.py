"""The ops as one would first write them with torch and torchvision; the oracles of `benchmarks.ops`."""

import numpy as np
import torch
import torchvision
from torch import Tensor


def iou(a: Tensor, b: Tensor) -> Tensor:
    """(..., n, 4), (..., m, 4) -> (..., n, m), +1 pixel convention."""
    area_a, area_b = ((x[..., 2] - x[..., 0] + 1) * (x[..., 3] - x[..., 1] + 1) for x in (a, b))
    wh = (
        torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
        - torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
        + 1
    )
    inter = wh.clamp(min=0).prod(-1)
    return inter / (area_a[..., :, None] + area_b[..., None, :] - inter)


def roi_align_all_levels(maps: list[Tensor], rois: Tensor, size: int, scales: list[float], ratio: int) -> Tensor:
    """Level by level, then one cat."""
    pooled = [
        torchvision.ops.roi_align(x, rois, size, scale, ratio, aligned=False)
        for x, scale in zip(maps, scales, strict=True)
    ]
    return torch.cat(pooled, dim=1)


def roi_align_levels(
    maps: list[Tensor], rois: Tensor, levels: Tensor, size: int, scales: list[float], ratio: int
) -> Tensor:
    """A tensor of zeros, filled level by level."""
    out = rois.new_zeros(len(rois), maps[0].size(1), size, size)
    for level, (features, scale) in enumerate(zip(maps, scales, strict=True)):
        members = (levels == level).nonzero()[:, 0]
        out[members] = torchvision.ops.roi_align(features, rois[members], size, scale, ratio, aligned=False)
    return out


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """torchvision's on boxes that are one pixel larger."""
    return torchvision.ops.nms(boxes + boxes.new_tensor([0, 0, 1, 1]), scores, threshold)


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, threshold: float) -> Tensor:
    """One call a group."""
    kept = []
    for group in groups.unique():
        members = (groups == group).nonzero()[:, 0]
        kept.append(members[nms(boxes[members], scores[members], threshold)])
    kept = torch.cat(kept)
    return kept[scores[kept].argsort(descending=True)]


def greedy_labels(probabilities: Tensor, boxes: Tensor, threshold: float) -> Tensor:
    """As Scene-Graph-Benchmark computes it: the overlaps of all classes first, then a loop over the boxes."""
    near = (iou(boxes.transpose(0, 1), boxes.transpose(0, 1)) >= threshold).permute(1, 2, 0).numpy()  # (n, n, O)
    remaining = probabilities.numpy().copy()
    remaining[:, 0] = 0
    labels = np.zeros(len(remaining), dtype=np.int64)
    for _ in range(len(remaining)):
        box, label = np.unravel_index(remaining.argmax(), remaining.shape)
        labels[box] = label
        remaining[near[box, :, label], label] = 0
        remaining[box] = -1
    return torch.from_numpy(labels)


def relation_nms(
    probabilities: Tensor, labels_s: Tensor, labels_o: Tensor, boxes_s: Tensor, boxes_o: Tensor, threshold: float
) -> Tensor:
    """
    As PE-Net's evaluation computes it, but with a table of pairs by pairs instead of pairs by pairs by predicates.
    """
    same = (labels_s[:, None] == labels_s) & (labels_o[:, None] == labels_o)
    near = (same & (torch.minimum(iou(boxes_s, boxes_s), iou(boxes_o, boxes_o)) >= threshold)).numpy()
    remaining = probabilities.numpy().copy()
    chosen = np.zeros(len(remaining), dtype=np.int64)
    for _ in range(len(remaining)):
        pair, predicate = np.unravel_index(remaining.argmax(), remaining.shape)
        chosen[pair] = predicate
        remaining[near[pair], predicate] = 0
        remaining[pair] = -1
    return torch.from_numpy(chosen)


def pair_masks(subjects: Tensor, objects: Tensor, sizes: Tensor, resolution: int = 27) -> Tensor:
    """Grids of coordinates compared with the corners."""
    cells = torch.arange(resolution)
    masks = []
    for boxes in (subjects, objects):
        scaled = boxes * (resolution / sizes.double()).float().repeat(1, 2)
        low, high = scaled[:, :2].floor().long(), scaled[:, 2:].ceil().long()
        x = (cells >= low[:, :1]) & (cells <= high[:, :1])
        y = (cells >= low[:, 1:]) & (cells <= high[:, 1:])
        masks.append((y[:, :, None] & x[:, None, :]).float())
    return torch.stack(masks, dim=1)
