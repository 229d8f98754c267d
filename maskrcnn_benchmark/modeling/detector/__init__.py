"""Detectors: backbone, proposals and heads joined."""

from maskrcnn_benchmark.modeling.detector.build import build_detection_model
from maskrcnn_benchmark.modeling.detector.generalized_rcnn import GeneralizedRCNN

__all__ = ["GeneralizedRCNN", "build_detection_model"]
