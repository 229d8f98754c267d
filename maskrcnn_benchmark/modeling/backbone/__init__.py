"""Backbones: from a batch of images to a sequence of feature maps."""

from maskrcnn_benchmark.modeling.backbone import resnet, timm_backbone, vgg  # noqa: F401
from maskrcnn_benchmark.modeling.backbone.backbone import BACKBONES, Backbone
from maskrcnn_benchmark.modeling.backbone.build import build_backbone

__all__ = ["BACKBONES", "Backbone", "build_backbone"]
