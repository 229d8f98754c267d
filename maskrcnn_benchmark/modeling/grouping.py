"""Boxes of several images or classes side by side, taken apart without waiting for a GPU more than once."""

import torch
from torch import Tensor


def rank_within(groups: Tensor) -> Tensor:
    """How many entries of the same group stand before each. groups (n,) int64 -> (n,) int64."""
    ordered, order = groups.sort(stable=True)
    place = torch.arange(len(groups), device=groups.device)
    return torch.empty_like(order).scatter_(0, order, place - torch.searchsorted(ordered, ordered))


def rows_of_groups(groups: Tensor, count: int) -> list[Tensor]:
    """
    The entries of each group, in their order. The device is waited for once.

    Args:
        groups: (n,) int64, 0 … count; entries of `count` belong to none.
        count: number of groups.
    Returns:
        int64 rows, one tensor per group.
    """
    order = groups.argsort(stable=True)
    sizes = torch.zeros(count + 1, dtype=torch.int64, device=groups.device).scatter_add_(
        0, groups, torch.ones_like(groups)
    )
    sizes = sizes.tolist()[:count]
    return list(order[: sum(sizes)].split(sizes))


def group_of_rows(sizes: list[int], device: torch.device) -> Tensor:
    """sizes (3, 1) -> (0, 0, 0, 1): the group of each row where groups of these sizes lie one after the other."""
    numbers = [torch.full((size,), number, dtype=torch.int64, device=device) for number, size in enumerate(sizes)]
    return torch.cat(numbers) if numbers else torch.zeros(0, dtype=torch.int64, device=device)
