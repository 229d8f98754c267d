"""Trunks: from a batch of images to a sequence of feature maps."""

from maskrcnn_benchmark.modeling.backbone import resnet, timm_trunk, vgg  # noqa: F401
from maskrcnn_benchmark.modeling.backbone.build import build_backbone
from maskrcnn_benchmark.modeling.backbone.trunk import Backbone

__all__ = ["Backbone", "build_backbone"]
