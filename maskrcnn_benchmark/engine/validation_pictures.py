"""Pictures of the first validation images with the graphs that the model predicts as it stands."""

import numpy as np

from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.visualization.panel import agreement, side_by_side
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

RELATIONS = 12


class ValidationPictures:
    """
    An observer of an evaluation. `pictures` of its first images, (h, w, 3) uint8 RGB by image id: boxes, and beside
    them the best relations, with a tick where one is in the ground truth.
    """

    def __init__(self, meta: DatasetMeta, limit: int):
        self.meta, self.limit = meta, limit
        self.pictures: dict[int, np.ndarray] = {}

    def __call__(self, dataset: SceneGraphDataset, index: int, result: BoxList, groundtruth: BoxList) -> None:
        item = dataset[index] if len(self.pictures) < self.limit else None
        if item is None:  # there are enough, or the image file is missing
            return
        names = (self.meta.objects, self.meta.predicates)
        graph = SceneGraph.from_result(result, *names, max_relations=RELATIONS)
        marks = agreement(graph, SceneGraph.from_ground_truth(groundtruth, *names))
        image_id = groundtruth.get_field("image_id")
        pixels = item[0].permute(1, 2, 0).numpy()
        self.pictures[image_id] = side_by_side(pixels, graph, marks=marks, title=f"image {image_id}", height=400)
