"""What Motifs, the Transformer baseline and VCTree have in common: all but the context itself."""

from torch.nn import functional as F

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.base import ContextEncoder
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.pairs import (
    pair_linear,
    role_embedding,
    union_projection,
    xavier_linear,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.frequency_bias import FrequencyBias
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import RelationPredictor
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput


class GatedContextPredictor(RelationPredictor):
    """
    Relation logits from the edge context of both entities, gated by the union features, plus the frequency bias.

    Attributes:
        context: the encoder. optional_parts: PREDICT_USE_VISION and PREDICT_USE_BIAS decide about union features and
            frequency bias; otherwise both take part.
        rectified: roles pass a ReLU. gated, ungated: published names of the layers that score the gated context of a
            pair, and its context as it is (None: nothing does).
    """

    context: type[ContextEncoder]
    optional_parts = True
    rectified = False
    gated = "rel_compress"
    ungated: str | None = None

    def __init__(
        self,
        *,
        context_layer: ContextEncoder,
        frequency_bias: FrequencyBias | None,
        in_channels: int,
        pooling_dim: int,
        num_predicates: int,
        use_vision: bool,
    ):
        """frequency_bias: None leaves it out. in_channels, pooling_dim: F and D, of union features and pair context."""
        super().__init__()
        hidden = context_layer.hidden
        self.use_vision = use_vision
        self.context_layer = context_layer
        self.post_emb = role_embedding(hidden, hidden)
        self.post_cat = xavier_linear(2 * hidden, pooling_dim)
        self.add_module(self.gated, xavier_linear(pooling_dim, num_predicates))
        if self.ungated is not None:
            self.add_module(self.ungated, xavier_linear(2 * hidden, num_predicates))
        self.up_dim = union_projection(in_channels, pooling_dim)
        self.freq_bias = frequency_bias

    @classmethod
    def from_config(cls, cfg: Config, meta: DatasetMeta, in_channels: int) -> "GatedContextPredictor":
        """Reads CONTEXT_POOLING_DIM, PREDICT_USE_VISION and PREDICT_USE_BIAS, the context its own keys."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        use_bias = head.PREDICT_USE_BIAS or not cls.optional_parts
        return cls(
            context_layer=cls.context.from_config(cfg, meta, in_channels),
            frequency_bias=FrequencyBias(meta.frequency_table()) if use_bias else None,
            in_channels=in_channels,
            pooling_dim=head.CONTEXT_POOLING_DIM,
            num_predicates=meta.num_predicates,
            use_vision=head.PREDICT_USE_VISION or not cls.optional_parts,
        )

    def forward(self, pairs: PairBatch) -> RelationOutput:
        """
        Args:
            pairs: what the context reads, and union_features (P, F).
        """
        context = self.context_layer(pairs)
        roles = self.post_emb(context.edge)
        subject, object_ = (F.relu(roles) if self.rectified else roles).chunk(2, 1)
        gated = pair_linear(self.post_cat, subject, object_, pairs.pair_index)
        if self.use_vision:
            gated = gated * self.up_dim(pairs.union_features)
        logits = getattr(self, self.gated)(gated)
        if self.ungated is not None:
            logits = logits + pair_linear(getattr(self, self.ungated), subject, object_, pairs.pair_index)
        if self.freq_bias is not None:
            logits = logits + self.freq_bias.by_labels(context.labels, pairs.pair_index)
        return RelationOutput(context.entity_logits, logits, context.losses)
