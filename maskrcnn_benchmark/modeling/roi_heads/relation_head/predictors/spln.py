"""
SPLN: Zhang et al., Synergetic Prototype Learning Network for Unbiased Scene Graph Generation, ACM MM 2024, as its
released code has it.

Names: N entities, P pairs, K predicates, D width of a representation, F = 2D of a union feature, V and C of the two
banks of prototypes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import (
    initial_log_scale,
    scaled_cosine,
    standardise,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.loss import mean_similarity
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.sources import (
    conceptual_source,
    read_or_start,
    visual_source,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.vae import VAE, vae_loss
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.utils.weights import mark_optional

BANKS = ("vis_protos", "con_protos")
# Logits (P, K) of a term and its losses by name.
Term = tuple[Tensor, dict[str, Tensor]]


class SPLN(PENet):
    """
    Scores a pair by a classifier and by its cosines to prototypes of three kinds, and fuses the scores by a weight per
    predicate and kind.

    Subject, object and their intersection are PE-Net's; the union's appearance meets the visual prototypes instead, and
    PE-Net's own losses are not used. `gate_pred`, `down_samp` and `linear_pred` are among the published parameters and
    take no part; the three logit scales cancel in `standardise`.
    """

    def __init__(
        self,
        *,
        visual_bank: Tensor | None = None,
        visual_latent_dim: int = 1024,
        conceptual_bank: Tensor | None = None,
        conceptual_latent_dim: int = 1024,
        vae_weight: float = 1.0,
        noise_at_test: bool = False,
        train_gates: bool = True,
        in_channels: int,
        dim: int = 2048,
        **penet: Any,
    ):
        """
        Args:
            visual_bank, conceptual_bank: (K, V), (K, C) prototypes; None leaves the term out (published: both).
            visual_latent_dim, conceptual_latent_dim: of the VAEs, whose losses are multiplied by vae_weight.
            noise_at_test, train_gates: the VAEs draw in evaluation, too; the gates learn (released code: True, False).
            in_channels: F; 2D with a visual bank.
        """
        super().__init__(in_channels=in_channels, dim=dim, **penet)
        self.vae_weight = vae_weight
        num_predicates = self.rel_embed.num_embeddings
        self.pred_classifier = nn.Linear(dim, num_predicates)
        self.gates = {"structural": "logit_wt1"}
        self.register_buffer("vis_protos", visual_bank)
        self.register_buffer("con_protos", conceptual_bank)
        if visual_bank is not None:
            self.gates["visual"] = "logit_wt2"
            self.vis_logit_scale = initial_log_scale()
            self.vis_vae = VAE(in_channels, visual_latent_dim, noise_at_test=noise_at_test)
            self.vis_W_pred = nn.Linear(visual_bank.size(1), dim)
            self.vis_project_head = nn.Linear(dim, 2 * dim)
            self.vis_post_embedding = nn.Linear(in_channels, in_channels)
        if conceptual_bank is not None:
            self.gates["conceptual"] = "logit_wt3"
            self.con_logit_scale = initial_log_scale()
            self.con_vae = VAE(conceptual_bank.size(1), conceptual_latent_dim, noise_at_test=noise_at_test)
            self.con_W_pred = nn.Linear(conceptual_bank.size(1), 2 * dim)
            self.con_project_head = nn.Linear(dim, 2 * dim)
        for term, gate in self.gates.items():
            self.register_parameter(gate, nn.Parameter(torch.rand(1, num_predicates), requires_grad=train_gates))
            # The released code moves its gates to the GPU in a way that takes them out of its parameters, and so of its
            # files.
            mark_optional(self, gate, f"gate of the {term} term")

    @property
    def term_names(self) -> tuple[str, ...]:
        """Of the terms that a relation logit is made of."""
        return "base", *self.gates

    @classmethod
    def _arguments(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> tuple[dict[str, Any], dict[str, str]]:
        """PENet's, and what the VIS_*, CON_*, VAE_* and TRAIN_GATES keys say, with the banks of files if there."""
        arguments, unfilled = super()._arguments(cfg, meta, in_channels)
        head = cfg.MODEL.ROI_RELATION_HEAD
        visual, why_visual = read_or_start(visual_source(cfg, in_channels), meta.predicates, cfg.SEED)
        conceptual, why_conceptual = read_or_start(conceptual_source(cfg), meta.predicates, cfg.SEED + 1)
        arguments |= {
            "visual_bank": visual,
            "visual_latent_dim": head.VIS_VAE_LATENT_DIM,
            "conceptual_bank": conceptual,
            "conceptual_latent_dim": head.CON_VAE_LATENT_DIM,
            "vae_weight": head.VAE_WEIGHT,
            "noise_at_test": head.VAE_NOISE_AT_TEST,
            "train_gates": head.TRAIN_GATES,
        }
        reasons = {"vis_protos": why_visual, "con_protos": why_conceptual}
        return arguments, unfilled | {name: reason for name, reason in reasons.items() if reason}

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """The banks are part of a whole model's state, so that a checkpoint is enough, not of the predictor's own."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not prefix:
            for name in BANKS:
                destination.pop(name, None)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, metadata: Any, strict: bool, missing_keys: list[str], *rest: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing_keys, *rest)
        if not prefix:
            missing_keys[:] = [name for name in missing_keys if name not in BANKS]

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: as PENet.forward has them.
        Returns:
            entity_logits (N, O) refined (PredCls: certain), relation_logits (P, K) fused, the losses in training, the
                terms.
        """
        entity_logits, labels = self.refine_labels(pairs)
        scores, losses = self.terms(self.settle(self.intersection(pairs, labels)), pairs.union_features)
        return RelationOutput(entity_logits, self.fuse(scores), losses, terms=scores)

    def terms(self, relation: Tensor, union_features: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """
        Args:
            relation: (P, D) representations r of the pairs. union_features: (P, F).
        Returns:
            Standardised logits (P, K) by term, and in training the losses (means over all processes, which in
            evaluation have different numbers of batches).
        """
        scores, losses = {"base": standardise(self.pred_classifier(relation))}, {}
        parts = {"structural": self._structural(relation)}
        if self.vis_protos is not None:
            parts["visual"] = self._visual(relation, union_features)
        if self.con_protos is not None:
            parts["conceptual"] = self._conceptual(relation)
        for name, (logits, own_losses) in parts.items():
            scores[name] = standardise(logits)
            losses |= own_losses
        return scores, losses

    def fuse(self, scores: dict[str, Tensor]) -> Tensor:
        """Selective fusion: Σ over terms b of σ(w_b) ⊙ base + (1 − σ(w_b)) ⊙ b. (P, K) by term -> (P, K) float32."""
        base, fused = scores["base"], torch.zeros_like(scores["base"])
        self.logged = {}
        for name, gate in self.gates.items():
            share = torch.sigmoid(getattr(self, gate).float())
            fused = fused + share * base + (1 - share) * scores[name]
            self.logged[f"fusion_{name}"] = (1 - share).detach().mean()
        return fused

    def _structural(self, relation: Tensor) -> Term:
        rows, prototypes = self.project_head(self.activate(relation)), self.predicate_prototypes()
        losses = {"sem_simi_loss": mean_similarity(prototypes)} if self.training else {}
        return scaled_cosine(rows, prototypes, self.logit_scale), losses

    def _visual(self, relation: Tensor, union_features: Tensor) -> Term:
        """Residual-driven representation enhancement: rows take what the VAE cannot restore of their union feature."""
        restored, mean, log_variance = self.vis_vae(union_features)
        rows = self.vis_project_head(self.activate(relation)) + self.vis_post_embedding(union_features - restored)
        prototypes = self.vis_project_head(self.activate(self.vis_W_pred(self.vis_protos)))
        losses = {}
        if self.training:
            losses["vis_simi_loss"] = mean_similarity(prototypes)
            losses["vis_vae_loss"] = self.vae_weight * vae_loss(union_features, restored, mean, log_variance)
        return scaled_cosine(rows, prototypes, self.vis_logit_scale), losses

    def _conceptual(self, relation: Tensor) -> Term:
        """Essence-driven prototype enhancement: prototypes are what the VAE keeps of the concepts."""
        restored, mean, log_variance = self.con_vae(self.con_protos)
        rows, prototypes = self.con_project_head(self.activate(relation)), self.con_W_pred(restored)
        losses = {}
        if self.training:
            losses["con_simi_loss"] = mean_similarity(prototypes)
            losses["con_vae_loss"] = self.vae_weight * vae_loss(self.con_protos, restored, mean, log_variance)
        return scaled_cosine(rows, prototypes, self.con_logit_scale), losses
