"""Readers of data set formats, one file each; all of them make a SceneGraphDataset."""

from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.visual_genome import VGDataset

__all__ = ["SceneGraphDataset", "VGDataset"]
