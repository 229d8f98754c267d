"""
The visual branch: prototypes of how predicates look, and what a pair shows beyond them (residual-driven representation enhancement).

This project's own design for the module that SPLN's paper (ACM MM 2024) names; the paper's equations are not available.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import (
    BranchOutput,
    ResidualProjection,
    initial_log_scale,
    scaled_cosine,
    standardise,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.vae import PrototypeVAE


class VisualBranch(nn.Module):
    """
    Compares a pair's union feature with the mean union feature of each predicate, both through one VAE fitted to the latter.

    The latent mean says which predicates a pair looks like; what the decoder cannot restore of it, e = x − decode(encode(x)), and how its
    subject and object look by themselves are its own detail, which a gate lets in. Names: N entities, P pairs, K predicates, F width of
    entities' features, V of union features and bank, L latent width, D, W.
    """

    def __init__(self, *, bank: Tensor, in_channels: int, latent_dim: int, dim: int, width: int, dropout: float):
        """
        Args:
            bank: (K, V) prototypes, kept as a buffer.
            in_channels, latent_dim, dim, width: F; L; D of hidden representations; W of rows and prototypes.
            dropout: rate of every dropout.
        """
        super().__init__()
        self.register_buffer("bank", bank.float().clone())
        self.vae = PrototypeVAE(bank.size(1), latent_dim)
        self.from_latent = nn.Linear(latent_dim, dim)
        self.prototype_from_latent = nn.Linear(latent_dim, dim)
        self.residual = nn.Linear(bank.size(1), dim)
        self.looks = nn.Linear(in_channels, 2 * dim)
        self.detail = nn.Linear(dim, dim)
        self.gate = nn.Linear(2 * dim, dim)
        self.finish = ResidualProjection(dim, width, dropout)
        self.log_scale = initial_log_scale()

    def forward(self, features: Tensor, roi_features: Tensor, pair_index: Tensor) -> tuple[BranchOutput, dict[str, Tensor]]:
        """
        Args:
            features: (P, V) union features in the bank's space.
            roi_features: (N, F) of the entities. pair_index: (P, 2) rows of subject and object.
        Returns:
            rows (P, W), prototypes (K, W), logits (P, K); and the VAE's terms `vae_rec` and `vae_kl`, unweighted.
        """
        centre = self.bank.mean(dim=0)
        latent, reconstruction, divergence = self.vae.fit(standardise(self.bank, centre))
        prototypes = self.finish(self.prototype_from_latent(latent))

        seen = standardise(features, centre)
        manifold = self.vae.encode(seen).mean
        subject, obj = self.looks(roi_features).chunk(2, dim=1)
        own = self.residual(seen - self.vae.decode(manifold).detach()) + subject[pair_index[:, 0]] + obj[pair_index[:, 1]]
        detail = self.detail(F.relu(own))
        base = self.from_latent(manifold)
        rows = self.finish(base + torch.sigmoid(self.gate(torch.cat([base, detail], dim=1))) * detail)
        output = BranchOutput(rows=rows, prototypes=prototypes, logits=scaled_cosine(rows, prototypes, self.log_scale))
        return output, {"vae_rec": reconstruction, "vae_kl": divergence}
