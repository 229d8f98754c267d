"""Which ground-truth box each anchor or proposal is matched with."""

import torch
from torch import Tensor

BELOW, BETWEEN = -1, -2


def match_boxes(iou: Tensor, *, high: float, low: float, keep_best: bool = False) -> Tensor:
    """
    Gives each candidate the ground-truth box that it overlaps most, if it overlaps enough.

    Args:
        iou: (M, n) overlap of M ground-truth boxes with n candidates.
        high: at least this much is a match.
        low: less than this is background; what lies between is neither.
        keep_best: a candidate that is a ground-truth box's best, or ties with it, is a match at any overlap above 0. It
            is still matched with the box that it overlaps most itself.
    Returns:
        (n,) int64: row of the ground-truth box, BELOW or BETWEEN.
    Raises:
        ValueError: low is above high.
    """
    if low > high:
        raise ValueError(f"match_boxes: the background threshold {low} is above the foreground threshold {high}")
    if iou.size(0) == 0:
        return torch.full((iou.size(1),), BELOW, dtype=torch.int64, device=iou.device)
    best, row = iou.max(dim=0)
    matched = torch.where(best < low, BELOW, torch.where(best < high, BETWEEN, row))
    if keep_best and iou.size(1):
        best_of_box = iou.max(dim=1, keepdim=True).values
        is_best = ((iou == best_of_box) & (best_of_box > 0)).any(dim=0)
        matched = torch.where(is_best, row, matched)
    return matched
