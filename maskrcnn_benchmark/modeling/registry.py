"""All registries at one address. Each lives with the interface of its entries, and the folder there fills it."""

from maskrcnn_benchmark.modeling.backbone.backbone import BACKBONES
from maskrcnn_benchmark.modeling.roi_heads.attribute_head.predictor import ROI_ATTRIBUTE_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import ROI_BOX_FEATURE_EXTRACTORS
from maskrcnn_benchmark.modeling.roi_heads.box_head.predictor import ROI_BOX_PREDICTOR
from maskrcnn_benchmark.modeling.roi_heads.relation_head.features import ROI_RELATION_FEATURE_EXTRACTORS
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import ROI_RELATION_PREDICTOR
from maskrcnn_benchmark.modeling.rpn.head import RPN_HEADS

__all__ = [
    "BACKBONES",
    "ROI_ATTRIBUTE_PREDICTOR",
    "ROI_BOX_FEATURE_EXTRACTORS",
    "ROI_BOX_PREDICTOR",
    "ROI_RELATION_FEATURE_EXTRACTORS",
    "ROI_RELATION_PREDICTOR",
    "RPN_HEADS",
]
