"""
Readers of data set formats, one file each; what they read becomes a SceneGraphDataset.

A format is one module here with its FORMAT (format.py); catalog.py collects them by themselves.
"""

from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, split_rows
from maskrcnn_benchmark.data.datasets.visual_genome import VGDataset

__all__ = ["AnnotationSource", "SceneGraphDataset", "VGDataset", "split_rows"]
