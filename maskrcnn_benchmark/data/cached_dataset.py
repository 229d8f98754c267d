"""A data set whose items bring features made beforehand in place of the image."""

from collections.abc import Mapping

import numpy as np
import torch
from torch.utils.data import Dataset

from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.feature_cache import FeatureFiles
from maskrcnn_benchmark.data.transforms import resized_shape
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import ground_truth_entities
from maskrcnn_benchmark.structures.regions import CachedRegions
from maskrcnn_benchmark.utils.errors import UserError

# Groups of cached arrays.
RELATION, ENTITIES = "relation", "entities"
# Arrays of RELATION that stay in their files until they are asked for.
FEATURES = ("roi_features", "union_features", "spatial_features")


class CachedDataset(Dataset):
    """
    Items (CachedRegions of the image, target, i), or None for an image without features; what training draws in an
    epoch (one of several relations) is drawn as ever, sizes and mirroring are not.

    Args:
        dataset: whose annotations these are.
        groups: by name, the cached arrays: RELATION boxes (n, 4), roi, unions and perhaps spatial; ENTITIES fields of
            the box head.
        min_size, max_size: of the images' sides when the features were made.
        given_boxes: the boxes are the annotated ones.
    """

    def __init__(
        self,
        dataset: SceneGraphDataset,
        groups: Mapping[str, FeatureFiles],
        *,
        min_size: int,
        max_size: int,
        given_boxes: bool,
    ):
        self.dataset, self.groups, self.given_boxes = dataset, dict(groups), given_boxes
        self.min_size, self.max_size = min_size, max_size
        # What an evaluation asks its data set for is the annotated one's.
        self.meta, self.triplets = dataset.meta, dataset.triplets
        self.get_groundtruth, self.get_img_info = dataset.get_groundtruth, dataset.get_img_info

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, item: int | tuple[int, int]) -> tuple[CachedRegions, BoxList, int] | None:
        epoch, index = item if isinstance(item, tuple) else (0, item)
        target, _ = self.dataset.draw_target(index, epoch)
        image_id = int(target.get_field("image_id"))
        if any(image_id not in group for group in self.groups.values()):
            return None
        target = target.resize(resized_shape(*target.size, self.min_size, self.max_size))
        arrays = {name: array for group in self.groups.values() for name, array in group[image_id].items()}
        return self._regions(arrays, target), target, int(index)

    def _regions(self, arrays: dict[str, np.ndarray], target: BoxList) -> CachedRegions:
        boxes = torch.from_numpy(arrays.pop("boxes").copy())
        if self.given_boxes and not torch.equal(boxes, target.bbox):
            image, folder = target.get_field("image_id"), self.groups[RELATION].folder
            raise UserError(f"{folder}: image {image} has other boxes there than in its annotations; remove the folder")
        entities = ground_truth_entities([target])[0] if self.given_boxes else BoxList(boxes, target.size)
        features = {name: arrays.pop(name) for name in FEATURES if name in arrays}
        for name, values in arrays.items():
            entities.add_field(name, torch.from_numpy(values.copy()))
        return CachedRegions([entities], [features])
