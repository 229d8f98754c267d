"""Which predicted relations find which of the ground truth. Boxes xyxy float32 with the +1 pixel convention."""

import numpy as np

from maskrcnn_benchmark.evaluation.inputs import GroundTruth, Prediction


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes (..., 4) -> (...)."""
    sides = boxes[..., 2:] - boxes[..., :2] + 1
    return sides[..., 0] * sides[..., 1]


def overlaps(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """IoU of boxes (..., 4) and (..., 4), broadcast against each other -> (...). 0 where both are empty."""
    sides = np.minimum(boxes_a[..., 2:], boxes_b[..., 2:]) - np.maximum(boxes_a[..., :2], boxes_b[..., :2]) + 1
    np.maximum(sides, 0, out=sides)
    shared = sides[..., 0] * sides[..., 1]
    union = box_areas(boxes_a) + box_areas(boxes_b) - shared
    return shared / np.maximum(union, np.float32(1e-12))


def union_boxes(boxes: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The smallest box around both boxes of each pair: (n, 4), (m, 2) -> (m, 4)."""
    first, second = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
    return np.concatenate([np.minimum(first[:, :2], second[:, :2]), np.maximum(first[:, 2:], second[:, 2:])], axis=1)


def same_objects(gt: GroundTruth, found: Prediction, iou_threshold: float) -> np.ndarray:
    """(n, m) bool: ground-truth and predicted object agree in label and overlap by at least the threshold."""
    near = overlaps(gt.boxes[:, None], found.boxes[None]) >= iou_threshold
    near &= gt.labels[:, None] == found.labels
    return near


def pair_hits(same: np.ndarray, true_pairs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """
    (r, p) bool: whether both objects of a predicted pair are those of a ground-truth one.

    Args:
        same: (n, m) of same_objects; true_pairs (r, 2) are rows of it, pairs (p, 2) columns.
    """
    return same[true_pairs[:, 0]][:, pairs[:, 0]] & same[true_pairs[:, 1]][:, pairs[:, 1]]


def first_hits(hits: np.ndarray, none: int) -> np.ndarray:
    """Position of the first hit of each row: (r, p) bool -> (r,), `none` in a row without."""
    if not hits.shape[1]:
        return np.full(len(hits), none)
    first = hits.argmax(axis=1)
    return np.where(hits[np.arange(len(hits)), first], first, none)
