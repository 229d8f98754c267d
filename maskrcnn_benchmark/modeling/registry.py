"""What a config may name. Importing this module fills the registries."""

from maskrcnn_benchmark.utils.registry import Registry

# (cfg) -> Backbone; names as in MODEL.BACKBONE.CONV_BODY
BACKBONES = Registry("MODEL.BACKBONE.CONV_BODY", "Any backbone of timm is 'timm/<name>-FPN'.")
# (in_channels, mid_channels, num_anchors) -> nn.Module
RPN_HEADS = Registry("MODEL.RPN.RPN_HEAD")
# cls.from_config(cfg, in_channels, half_out, all_levels) -> module with .pooler, .embed(pooled), .out_channels
ROI_BOX_FEATURE_EXTRACTORS = Registry("box feature extractor")
# (in_channels, num_classes, num_regressions) -> nn.Module
ROI_BOX_PREDICTOR = Registry("box predictor")
# (in_channels, num_attributes) -> nn.Module
ROI_ATTRIBUTE_PREDICTOR = Registry("attribute predictor")
# cls.from_config(cfg, in_channels) -> nn.Module
ROI_RELATION_FEATURE_EXTRACTORS = Registry("relation feature extractor")
# cls.from_config(cfg, meta, in_channels) -> nn.Module, forward(PairBatch) -> RelationOutput
ROI_RELATION_PREDICTOR = Registry(
    "relation predictor", "A new one needs a file in relation_head/predictors/ with @register('<name>')."
)

# Each package imports its files whole, and these register what they hold.
from maskrcnn_benchmark.modeling import backbone, roi_heads, rpn  # noqa: E402, F401
