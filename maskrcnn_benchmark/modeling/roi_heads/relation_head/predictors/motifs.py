"""Neural Motifs (Zellers et al., CVPR 2018): LSTMs give each entity its context, a frequency bias does the rest."""

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.lstm import LSTMContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import ROI_RELATION_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.gated import GatedContextPredictor


@ROI_RELATION_PREDICTOR.register("MotifPredictor")
class MotifPredictor(GatedContextPredictor):
    """LSTMs over an image's boxes as the context."""

    context = LSTMContext
