"""The Transformer baseline of the TDE code base: self-attention over an image's entities."""

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.transformer import TransformerContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import ROI_RELATION_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.gated import GatedContextPredictor


@ROI_RELATION_PREDICTOR.register("TransformerPredictor")
class TransformerPredictor(GatedContextPredictor):
    """Self-attention as the context, which also scores pairs without a gate."""

    context = TransformerContext
    ungated = "ctx_compress"
