"""Parts that the branches share."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class BranchOutput:
    """
    What a branch makes of a batch: rows (P, W) of the pairs and prototypes (K, W) of the predicates in one space, logits (P, K) from
    the cosines between them.
    """

    rows: Tensor
    prototypes: Tensor
    logits: Tensor

    def detached(self) -> "BranchOutput":
        """The same for readers that send no gradient back."""
        return BranchOutput(rows=self.rows.detach(), prototypes=self.prototypes.detach(), logits=self.logits.detach())


class MLP(nn.Module):
    """Linear layers with ReLU between them, none after the last; parameters at layers.0, layers.1, ..."""

    def __init__(self, *widths: int):
        """`widths`: of the input, each hidden layer and the output."""
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """(n, first width) -> (n, last width)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def scaled_cosine(rows: Tensor, prototypes: Tensor, log_scale: Tensor) -> Tensor:
    """exp(log_scale) · cosine of each row with each prototype, in float32. (P, W), (K, W) -> (P, K)."""
    with torch.autocast(rows.device.type, enabled=False):
        cosine = F.normalize(rows.float(), dim=1) @ F.normalize(prototypes.float(), dim=1).t()
        return log_scale.float().exp() * cosine


def standardise(x: Tensor, centre: Tensor) -> Tensor:
    """
    Direction of each row as seen from a centre, at a root mean square of 1. (n, V), (V,) -> (n, V) float32.

    The mean of all prototypes is most of each of them; what tells predicates apart is where they lie around it. A row that is the
    centre becomes 0.
    """
    return F.normalize(x.float() - centre.float(), dim=1, eps=1e-6) * x.size(1) ** 0.5


class ResidualProjection(nn.Module):
    """
    x (n, D) -> project(dropout(ReLU(LayerNorm(x + dropout(ReLU(linear x)))))) (n, W): how every branch but the structural one ends, for
    rows and prototypes. The result is put on a sphere.

    On a sphere of squared radius 8 the losses of PrototypeLoss speak of angles (squared distances are 16 · (1 − cosine)) and their
    gradients are as large as the cross-entropy's. Free lengths made them ten times as large: clipping then slowed all branches down.
    """

    RADIUS = 8.0**0.5

    def __init__(self, dim: int, width: int, dropout: float):
        """`dim` D, `width` W, rate of the dropouts."""
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.project = MLP(dim, dim, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.dropout(F.relu(self.linear(x))) + x)
        return self.RADIUS * F.normalize(self.project(self.dropout(F.relu(x))), dim=1)


def initial_log_scale() -> nn.Parameter:
    """Logarithm of the factor of the cosines, from 1/0.07 as in PE-Net."""
    return nn.Parameter(torch.tensor(math.log(1 / 0.07)))
