"""
The generalized branch over all others, and the fusion of their logits (selective fusion).

This project's own design for the module that SPLN's paper (ACM MM 2024) names; the paper's equations are not available.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import (
    MLP,
    BranchOutput,
    ResidualProjection,
    initial_log_scale,
    scaled_cosine,
)


class GeneralizedBranch(nn.Module):
    """Projects all branches' rows, side by side, and all their prototypes, side by side, into one more space of comparison."""

    def __init__(self, widths: Sequence[int], *, dim: int, width: int, dropout: float):
        """`widths` of the branches' rows; D of hidden representations, W of its own rows and prototypes; rate of the dropouts."""
        super().__init__()
        self.from_rows = nn.Linear(sum(widths), dim)
        self.from_prototypes = nn.Linear(sum(widths), dim)
        self.finish = ResidualProjection(dim, width, dropout)
        self.log_scale = initial_log_scale()

    def forward(self, branches: Sequence[BranchOutput]) -> BranchOutput:
        """The branches' rows (P, ·) and prototypes (K, ·) -> rows (P, W), prototypes (K, W), logits (P, K)."""
        rows = self.finish(self.from_rows(_side_by_side([b.rows for b in branches])))
        prototypes = self.finish(self.from_prototypes(_side_by_side([b.prototypes for b in branches])))
        return BranchOutput(rows=rows, prototypes=prototypes, logits=scaled_cosine(rows, prototypes, self.log_scale))


class SelectiveFusion(nn.Module):
    """Weighs the branches' logits pair by pair, by weights read off the branches' rows."""

    def __init__(self, widths: Sequence[int], *, dim: int):
        """`widths` of the rows of the A branches; D of the hidden layer."""
        super().__init__()
        self.weigh = MLP(sum(widths), dim, len(widths))

    def forward(self, branches: Sequence[BranchOutput]) -> tuple[Tensor, Tensor]:
        """Outputs of A branches -> fused logits (P, K), weights (P, A) that sum to 1."""
        weights = self.weigh(_side_by_side([b.rows for b in branches])).float().softmax(dim=1)
        logits = torch.stack([b.logits for b in branches], dim=1)  # (P, A, K)
        return (weights.unsqueeze(2) * logits).sum(dim=1), weights  # no matrix product: autocast would round the logits


class MeanFusion(nn.Module):
    """The plain mean of the branches' logits."""

    def forward(self, branches: Sequence[BranchOutput]) -> tuple[Tensor, Tensor]:
        """Outputs of A branches -> fused logits (P, K), weights (P, A), all 1 / A."""
        logits = torch.stack([b.logits for b in branches], dim=1).mean(dim=1)
        return logits, logits.new_full((len(logits), len(branches)), 1.0 / len(branches))


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Directions of all parts' rows at a root mean square of 1, in one matrix."""
    return torch.cat([F.normalize(p, dim=1) * p.size(1) ** 0.5 for p in parts], dim=1)
