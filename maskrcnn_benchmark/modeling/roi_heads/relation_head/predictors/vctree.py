"""VCTree (Tang et al., CVPR 2019): a tree over an image's boxes carries the context."""

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.vctree import VCTreeContext
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import ROI_RELATION_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.gated import GatedContextPredictor


@ROI_RELATION_PREDICTOR.register("VCTreePredictor")
class VCTreePredictor(GatedContextPredictor):
    """Trees as the context."""

    context = VCTreeContext
    optional_parts = False
    rectified = True
    gated = "ctx_compress"
