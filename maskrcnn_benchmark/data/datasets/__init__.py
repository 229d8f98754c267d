"""Readers of data set formats, one file each; what they read becomes a SceneGraphDataset."""

from collections.abc import Callable

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets import coco, gqa, open_images, psg, visual_genome, vrd
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.source import AnnotationSource, split_rows
from maskrcnn_benchmark.data.datasets.visual_genome import VGDataset

# Kind of a catalog entry -> reader (entry, statistics_only) -> AnnotationSource.
READERS: dict[str, Callable[[DatasetEntry, bool], AnnotationSource]] = {
    "vg": visual_genome.read_entry,
    "gqa": gqa.read_entry,
    "openimages": open_images.read_entry,
    "vrd": vrd.read_entry,
    "psg": psg.read_entry,
    "coco": coco.read_entry,
}

__all__ = ["READERS", "AnnotationSource", "SceneGraphDataset", "VGDataset", "split_rows"]
