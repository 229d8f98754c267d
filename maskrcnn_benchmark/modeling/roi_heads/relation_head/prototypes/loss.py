"""Losses that shape a space of pairs and prototypes: PE-Net's three (Zheng et al., CVPR 2023) and SPLN's."""

import torch
import torch.nn.functional as F
from torch import Tensor

from maskrcnn_benchmark.modeling.averaging import mean_over_processes


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """(n, W), (m, W) -> (n, m) squared Euclidean distances in float32, without anything of shape (n, m, W)."""
    with torch.autocast(a.device.type, enabled=False):
        a, b = a.float(), b.float()
        distances = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2.0 * a @ b.t()
        return distances.clamp(min=0.0)


def cosines(prototypes: Tensor) -> Tensor:
    """(K, W) -> (K, K) cosines of prototypes with one another in float32; the second factor gets no gradient."""
    with torch.autocast(prototypes.device.type, enabled=False):
        unit = F.normalize(prototypes.float(), dim=1)
        return unit @ unit.detach().t()


def mean_similarity(prototypes: Tensor) -> Tensor:
    """SPLN's similarity loss: mean cosine of different prototypes, over (K − 1)² as published. (K, W) -> one number."""
    similarity = cosines(prototypes)
    return (similarity.sum() - similarity.trace()) / (len(prototypes) - 1) ** 2


def similarity_norm(prototypes: Tensor) -> Tensor:
    """PE-Net's similarity regulariser: sum of the norms of the cosine matrix's rows, over K². (K, W) -> one number."""
    return cosines(prototypes).norm(dim=1).sum() / len(prototypes) ** 2


def prototype_spread(prototypes: Tensor, *, spread: float = 7.0) -> Tensor:
    """
    Mean over prototypes of max(0, spread − d), d the sum of the two smallest squared distances to any prototype
    (itself, at 0, among them); the other prototypes get no gradient. (K, W) -> one number.
    """
    distances = squared_distances(prototypes, prototypes.detach())
    nearest = distances.topk(min(2, len(distances)), dim=1, largest=False).values.sum(dim=1)
    return F.relu(spread - nearest).mean()


def matching(rows: Tensor, prototypes: Tensor, labels: Tensor, *, margin: float = 1.0, hardest: int = 10) -> Tensor:
    """
    Mean over the pairs of all processes, background too, of max(0, g⁺ − g⁻ + margin), g⁺ the squared distance to the
    own prototype, g⁻ the mean of the `hardest` smallest ones to others (of all where there are fewer). (P, W), (K, W),
    (P,) -> one number.
    """
    distances, own_column = squared_distances(rows, prototypes), labels.long().unsqueeze(1)
    own = distances.gather(1, own_column).squeeze(1)
    others = distances.scatter(1, own_column, float("inf"))
    nearest = others.topk(min(hardest, others.size(1) - 1), dim=1, largest=False).values
    return mean_over_processes(F.relu(own - nearest.mean(dim=1) + margin).sum(), len(rows))


def prototype_losses(rows: Tensor, prototypes: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """PE-Net's losses by their published names. (P, W) rows, (K, W) prototypes, (P,) labels, 0 background."""
    return {
        "l21_loss": similarity_norm(prototypes),
        "dist_loss2": prototype_spread(prototypes),
        "loss_dis": matching(rows, prototypes, labels),
    }
