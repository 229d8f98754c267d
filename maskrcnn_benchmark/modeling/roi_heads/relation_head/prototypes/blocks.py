"""Layers and scores that PE-Net and SPLN share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def initial_log_scale() -> nn.Parameter:
    """Logarithm of the factor of the cosines, from 1/0.07 as in PE-Net."""
    return nn.Parameter(torch.tensor(math.log(1 / 0.07)))


def scaled_cosine(rows: Tensor, prototypes: Tensor, log_scale: Tensor) -> Tensor:
    """exp(log_scale) · cosine of each row with each prototype, in float32. (P, W), (K, W) -> (P, K)."""
    with torch.autocast(rows.device.type, enabled=False):
        cosine = F.normalize(rows.float(), dim=1) @ F.normalize(prototypes.float(), dim=1).t()
        return log_scale.float().exp() * cosine


def standardise(logits: Tensor) -> Tensor:
    """
    Each row shifted to mean 0 and scaled to standard deviation 1 over its columns (unbiased), in float32. (P, K) -> (P,
    K).

    A row of equal entries becomes 0. The epsilon lies far below the variance of a row that says something, above that
    of rounding errors: prototypes that do not differ yet would have these blown up, and with them the gradients.
    """
    centred = logits.float() - logits.float().mean(dim=1, keepdim=True)
    variance = centred.square().sum(dim=1, keepdim=True) / (logits.size(1) - 1)
    return centred * torch.rsqrt(variance + 1e-10)
