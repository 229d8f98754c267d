"""
The conceptual branch: what a language model knows of predicates, met by the essence of a pair and by what structure and looks have in
common (essence-driven prototype enhancement).

This project's own design for the module that SPLN's paper (ACM MM 2024) names; the paper's equations are not available.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import (
    MLP,
    BranchOutput,
    ResidualProjection,
    initial_log_scale,
    scaled_cosine,
    standardise,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.vae import PrototypeVAE


class ConceptualBranch(nn.Module):
    """
    Compares a pair's essence with text embeddings of the predicates.

    A VAE compresses the embeddings to what they are told apart by and drops what words carry beside. Of a pair, the essence is what is
    left without its pixels: the words for subject and object and, if wanted, their layout. To it a gate adds the intersection of structure
    and looks, the elementwise product of the two rows' projections, each normalised: it is large only where both agree. Names: P pairs,
    K predicates, C width of the text embeddings, L latent width, D, W.
    """

    def __init__(
        self,
        *,
        bank: Tensor,
        latent_dim: int,
        structural_width: int,
        visual_width: int,
        words_width: int,
        layout_width: int,
        dim: int,
        width: int,
        dropout: float,
    ):
        """
        Args:
            bank: (K, C) text embeddings, kept as a buffer.
            latent_dim: L.
            structural_width, visual_width: of the two branches' rows.
            words_width, layout_width: of a pair's words and layout; 0: layout is not read.
            dim, width: D of hidden representations; W of rows and prototypes.
            dropout: rate of every dropout.
        """
        super().__init__()
        self.register_buffer("bank", bank.float().clone())
        self.vae = PrototypeVAE(bank.size(1), latent_dim)
        self.prototype_from_latent = nn.Linear(latent_dim, dim)
        self.essence = MLP(words_width + layout_width, dim, dim)
        self.from_structural = nn.Linear(structural_width, dim)
        self.from_visual = nn.Linear(visual_width, dim)
        self.gate = nn.Linear(2 * dim, dim)
        self.finish = ResidualProjection(dim, width, dropout)
        self.log_scale = initial_log_scale()

    def forward(
        self, structural_rows: Tensor, visual_rows: Tensor, words: Tensor, layout: Tensor | None
    ) -> tuple[BranchOutput, dict[str, Tensor]]:
        """
        Args:
            structural_rows, visual_rows: (P, ·) of the two branches.
            words: (P, ·) word vectors of subject and object, side by side.
            layout: (P, ·) `pair_layout`, or None where it is not read.
        Returns:
            rows (P, W), prototypes (K, W), logits (P, K); and the VAE's terms `vae_rec` and `vae_kl`, unweighted.
        """
        latent, reconstruction, divergence = self.vae.fit(standardise(self.bank, self.bank.mean(dim=0)))
        prototypes = self.finish(self.prototype_from_latent(latent))

        essence = _normalised(self.essence(words if layout is None else torch.cat([words, layout], dim=1)))
        intersection = _normalised(self.from_structural(structural_rows)) * _normalised(self.from_visual(visual_rows))
        rows = self.finish(essence + torch.sigmoid(self.gate(torch.cat([essence, intersection], dim=1))) * intersection)
        output = BranchOutput(rows=rows, prototypes=prototypes, logits=scaled_cosine(rows, prototypes, self.log_scale))
        return output, {"vae_rec": reconstruction, "vae_kl": divergence}


def _normalised(x: Tensor) -> Tensor:
    """(n, D) at mean 0 and variance 1 a row."""
    return F.layer_norm(x, x.shape[1:])
