"""Metrics of scene graphs, detections and Open Images relations; the frequency baseline; saved predictions."""

from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator

__all__ = ["SceneGraphEvaluator"]
