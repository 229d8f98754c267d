"""The trunk that MODEL.BACKBONE.CONV_BODY names."""

from maskrcnn_benchmark.modeling.backbone.timm_trunk import PREFIX, build_timm_trunk
from maskrcnn_benchmark.modeling.backbone.trunk import Backbone
from maskrcnn_benchmark.modeling.registry import BACKBONES


def build_backbone(cfg) -> Backbone:
    """
    The trunk with its `out_channels`, at its initial weights.

    Raises:
        UserError: CONV_BODY is neither registered nor a trunk of timm.
    """
    name = cfg.MODEL.BACKBONE.CONV_BODY
    return build_timm_trunk(cfg, name) if name.startswith(PREFIX) else BACKBONES[name](cfg)
