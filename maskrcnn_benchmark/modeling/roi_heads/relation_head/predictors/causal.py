"""Causal effects (Tang et al., CVPR 2020): what is left of a prediction without its context bias."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import Context, ContextEncoder, update_average
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.lstm import LSTMContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.pairs import (
    SPATIAL_NUMBERS,
    pair_linear,
    pair_spatial_numbers,
    role_embedding,
    xavier_linear,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.vctree import VCTreeContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.vtranse import VTransEContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.frequency_bias import FrequencyBias
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import cross_entropy
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import (
    ROI_RELATION_PREDICTOR,
    RelationPredictor,
)
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput
from maskrcnn_benchmark.utils.errors import UserError

CONTEXT_LAYERS: dict[str, type[ContextEncoder]] = {
    "motifs": LSTMContext,
    "vctree": VCTreeContext,
    "vtranse": VTransEContext,
}
EFFECT_TYPES = ("none", "TDE", "NIE", "TE")


class Logits(NamedTuple):
    """Predicate logits (P, K) of the three sources before their fusion."""

    vision: Tensor
    context: Tensor
    frequency: Tensor


@ROI_RELATION_PREDICTOR.register("CausalAnalysisPredictor")
class CausalAnalysisPredictor(RelationPredictor):
    """
    Fuses vision, context and frequency; at test it can return a causal effect instead of the fused logits.

    Args:
        context_layer: encoder with `counterfactual`.
        width: D = F, of pair context and union features.
        fusion, effect_analysis, effect_type, separate_spatial, spatial_for_vision: as MODEL.ROI_RELATION_HEAD.CAUSAL.
    """

    def __init__(
        self,
        *,
        context_layer: LSTMContext | VCTreeContext | VTransEContext,
        frequency_bias: FrequencyBias,
        width: int,
        num_predicates: int,
        fusion: str,
        effect_analysis: bool,
        effect_type: str,
        separate_spatial: bool,
        spatial_for_vision: bool,
    ):
        super().__init__()
        hidden, self.difference = context_layer.hidden, isinstance(context_layer, VTransEContext)
        self.fusion, self.effect_type = fusion, effect_type if effect_analysis else "none"
        self.separate_spatial, self.spatial_for_vision = separate_spatial, spatial_for_vision
        self.context_layer = context_layer
        if self.difference:
            self.post_emb = role_embedding(hidden, width)
            self.ctx_compress = nn.Linear(width, num_predicates, bias=False)
        else:
            self.post_emb = role_embedding(hidden, hidden)
            self.post_cat = nn.Sequential(xavier_linear(2 * hidden, width), nn.ReLU())
            self.ctx_compress = xavier_linear(width, num_predicates)
        self.vis_compress = xavier_linear(width, num_predicates)
        if fusion == "gate":
            self.ctx_gate_fc = xavier_linear(width, num_predicates)
        self.freq_bias = frequency_bias
        if spatial_for_vision:
            self.spt_emb = nn.Sequential(
                xavier_linear(SPATIAL_NUMBERS, hidden), nn.ReLU(), xavier_linear(hidden, width), nn.ReLU()
            )
        self.register_buffer("untreated_spt", torch.zeros(SPATIAL_NUMBERS))
        self.register_buffer("untreated_conv_spt", torch.zeros(width))
        self.register_buffer("avg_post_ctx", torch.zeros(width))
        self.register_buffer("untreated_feat", torch.zeros(width))

    @classmethod
    def from_config(cls, cfg, meta: DatasetMeta, in_channels: int) -> "CausalAnalysisPredictor":
        head = cfg.MODEL.ROI_RELATION_HEAD
        key, causal = "MODEL.ROI_RELATION_HEAD.CAUSAL", head.CAUSAL
        for name, value, known in (
            ("CONTEXT_LAYER", causal.CONTEXT_LAYER, tuple(CONTEXT_LAYERS)),
            ("FUSION_TYPE", causal.FUSION_TYPE, ("sum", "gate")),
            ("EFFECT_TYPE", causal.EFFECT_TYPE, EFFECT_TYPES),
        ):
            if value not in known:
                raise UserError(f"{key}.{name} is '{value}'; it must be one of {', '.join(known)}.")
        if head.CONTEXT_POOLING_DIM != in_channels:
            raise UserError(
                f"MODEL.ROI_RELATION_HEAD.CONTEXT_POOLING_DIM is {head.CONTEXT_POOLING_DIM}, the union features are"
                f" {in_channels} wide; CausalAnalysisPredictor needs the two equal: set the key to"
                " MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM."
            )
        return cls(
            context_layer=CONTEXT_LAYERS[causal.CONTEXT_LAYER].from_config(cfg, meta, in_channels),
            frequency_bias=FrequencyBias(meta.frequency_table()),
            width=in_channels,
            num_predicates=len(meta.predicates),
            fusion=causal.FUSION_TYPE,
            effect_analysis=causal.EFFECT_ANALYSIS,
            effect_type=causal.EFFECT_TYPE,
            separate_spatial=causal.SEPARATE_SPATIAL,
            spatial_for_vision=causal.SPATIAL_FOR_VISION,
        )

    @classmethod
    def reads_spatial_features(cls, cfg) -> bool:
        """CAUSAL.SEPARATE_SPATIAL."""
        return cfg.MODEL.ROI_RELATION_HEAD.CAUSAL.SEPARATE_SPATIAL

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: see the context layer; union_features (P, D), spatial_features (P, D) with SEPARATE_SPATIAL.
        Returns:
            Entity logits of the factual pass; fused logits, at test the effect asked for; in training auxiliary losses.
        """
        context = self.context_layer(pairs)
        numbers = pair_spatial_numbers(pairs) if self.spatial_for_vision else None
        post = self.pair_context(context, pairs.pair_index, numbers, pairs.spatial_features)
        logits = Logits(
            self.vis_compress(pairs.union_features),
            self.ctx_compress(post),
            self.freq_bias.by_labels(context.labels, pairs.pair_index),
        )
        losses = dict(context.losses)
        if self.training:
            losses |= self.auxiliary_losses(logits, pairs.rel_labels.long())
            self.track(pairs, post, numbers)
        elif self.effect_type != "none":
            return RelationOutput(context.entity_logits, self.effect(pairs, context, post, logits), losses)
        return RelationOutput(context.entity_logits, self.fuse(logits, post), losses)

    def pair_context(
        self, context: Context, pair_index: Tensor, numbers: Tensor | None, spatial: Tensor | None
    ) -> Tensor:
        """edge (N, H); (P, 32) or (1, 32) box geometry; (P, D) or (1, D) spatial features -> (P, D)."""
        subject, object_ = self.post_emb(context.edge).chunk(2, 1)
        if self.difference:
            post = subject[pair_index[:, 0]] - object_[pair_index[:, 1]]
        else:
            post = self.post_cat[1](pair_linear(self.post_cat[0], subject, object_, pair_index))
        if self.separate_spatial:
            post = post * spatial
        return post * self.spt_emb(numbers) if self.spatial_for_vision else post

    def fuse(self, logits: Logits, post: Tensor) -> Tensor:
        """L(vision, context, frequency): (P, K)."""
        if self.fusion == "sum":
            return logits.vision + logits.context + logits.frequency
        return logits.context * torch.sigmoid(logits.vision + logits.frequency + self.ctx_gate_fc(post))

    def effect(self, pairs: PairBatch, context: Context, post: Tensor, logits: Logits) -> Tensor:
        """What factual logits lose when averages replace the context, or the labels' frequency too (eq. 6 to 8)."""
        averaged = self.context_layer.counterfactual(pairs, context)
        averaged_post = self.pair_context(
            averaged, pairs.pair_index, self.untreated_spt[None], self.untreated_conv_spt[None]
        )
        frequency, averaged_frequency = (
            self.freq_bias.by_probabilities(c.entity_logits.float().softmax(1).to(post.dtype), pairs.pair_index)
            for c in (context, averaged)
        )
        averaged_context = self.ctx_compress(averaged_post)
        factual = self.fuse(Logits(logits.vision, logits.context, frequency), post)
        without_context = self.fuse(Logits(logits.vision, averaged_context, frequency), averaged_post)
        without_both = self.fuse(Logits(logits.vision, averaged_context, averaged_frequency), averaged_post)
        if self.effect_type == "TDE":
            return factual - without_context
        if self.effect_type == "NIE":
            return without_context - without_both
        return factual - without_both

    def auxiliary_losses(self, logits: Logits, labels: Tensor) -> dict[str, Tensor]:
        """Each source on its own must say the predicate; with the gate only the context."""
        losses = {"auxiliary_ctx": cross_entropy(logits.context, labels)}
        if self.fusion == "sum":
            losses["auxiliary_vis"] = cross_entropy(logits.vision, labels)
            losses["auxiliary_frq"] = cross_entropy(logits.frequency, labels)
        return losses

    def track(self, pairs: PairBatch, post: Tensor, numbers: Tensor | None) -> None:
        """Moves the running averages that stand for "no treatment"."""
        update_average(self.untreated_feat, pairs.union_features)
        update_average(self.avg_post_ctx, post)
        if self.spatial_for_vision:
            update_average(self.untreated_spt, numbers)
        if self.separate_spatial:
            update_average(self.untreated_conv_spt, pairs.spatial_features)
