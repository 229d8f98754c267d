"""The backbone that MODEL.BACKBONE.CONV_BODY names."""

from maskrcnn_benchmark.modeling.backbone.backbone import BACKBONES, Backbone
from maskrcnn_benchmark.modeling.backbone.timm_backbone import PREFIX, build_timm_backbone


def build_backbone(cfg) -> Backbone:
    """The backbone, at its initial weights. UserError: CONV_BODY is neither registered nor a backbone of timm."""
    name = cfg.MODEL.BACKBONE.CONV_BODY
    return build_timm_backbone(cfg, name) if name.startswith(PREFIX) else BACKBONES[name](cfg)
