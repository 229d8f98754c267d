"""The three losses of PE-Net (Zheng et al., CVPR 2023) that shape a space of pairs and prototypes; every branch uses them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import mean_over_processes


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n, W), (m, W) -> (n, m) squared Euclidean distances in float32, by a matrix product: nothing of shape (n, m, W) exists."""
    with torch.autocast(a.device.type, enabled=False):
        a, b = a.float(), b.float()
        distances = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2.0 * a @ b.t()
        return distances.clamp(min=0.0)


class PrototypeLoss(nn.Module):
    """
    Similarity regulariser, spread of the prototypes, and matching of rows to prototypes.

    `l21_loss`: sum over the prototypes of the norms of their rows in the matrix of cosines, over K²: prototypes grow unlike.
    `dist_loss2`: mean over prototypes of max(0, spread − d), d the sum of the two smallest squared distances to any prototype (itself,
    at 0, among them).
    `loss_dis`: mean over rows, background too, of max(0, g⁺ − g⁻ + margin), g⁺ the squared distance to the own prototype, g⁻ the mean of
    the smallest ones to others.
    """

    def __init__(self, *, spread: float = 7.0, margin: float = 1.0, hardest: int = 10, prefix: str = "", weight: float = 1.0):
        """
        Args:
            spread, margin: above.
            hardest: how many of the nearest other prototypes make g⁻ (all of them where there are fewer).
            prefix: put before the losses' names.
            weight: factor of all three.
        """
        super().__init__()
        self.spread, self.margin, self.hardest, self.prefix = spread, margin, hardest, prefix
        self.weight = weight

    def forward(self, rows: Tensor, prototypes: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """
        Args:
            rows: (P, W) of the pairs. prototypes: (K, W). labels: (P,) predicates, 0 background.
        Returns:
            The weighted losses by name.
        """
        losses = {
            "l21_loss": self.similarity(prototypes),
            "dist_loss2": self.prototype_spread(prototypes),
            "loss_dis": self.matching(rows, prototypes, labels.long()),
        }
        return {self.prefix + name: self.weight * value for name, value in losses.items()}

    def similarity(self, prototypes: Tensor) -> Tensor:
        """(K, W) -> one number; the second factor gets no gradient."""
        with torch.autocast(prototypes.device.type, enabled=False):
            unit = F.normalize(prototypes.float(), dim=1)
            return (unit @ unit.detach().t()).norm(dim=1).sum() / len(unit) ** 2

    def prototype_spread(self, prototypes: Tensor) -> Tensor:
        """(K, W) -> one number; the other prototypes get no gradient."""
        distances = squared_distances(prototypes, prototypes.detach())
        nearest = distances.topk(min(2, len(distances)), dim=1, largest=False).values.sum(dim=1)
        return F.relu(self.spread - nearest).mean()

    def matching(self, rows: Tensor, prototypes: Tensor, labels: Tensor) -> Tensor:
        """(P, W), (K, W), (P,) -> one number."""
        distances = squared_distances(rows, prototypes)
        own = distances.gather(1, labels.unsqueeze(1)).squeeze(1)
        others = distances.scatter(1, labels.unsqueeze(1), float("inf"))
        nearest = others.topk(min(self.hardest, others.size(1) - 1), dim=1, largest=False).values
        return mean_over_processes(F.relu(own - nearest.mean(dim=1) + self.margin))
