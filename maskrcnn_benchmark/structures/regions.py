"""
What the images of a batch offer to relations.

Dims: N entities of all images, P pairs of all images, n entities of one image, F features.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList


class PairFeatures(NamedTuple):
    """union (P, F) of the union boxes; spatial (P, F) of the masks alone, or None."""

    union: Tensor
    spatial: Tensor | None


class Regions(ABC):
    """
    The entities of a batch of images, their features and those of their pairs, computed or read from files.

    Attributes:
        entities: the boxes of each image, in the frame of the network's input, with the fields that the box head adds.
    """

    entities: list[BoxList]

    @property
    def counts(self) -> list[int]:
        """Number of entities of each image."""
        return [len(boxes) for boxes in self.entities]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(width, height) of each unpadded image."""
        return [boxes.size for boxes in self.entities]

    @property
    def boxes(self) -> Tensor:
        """(N, 4) xyxy, image by image."""
        return torch.cat([boxes.bbox for boxes in self.entities])

    def field(self, name: str) -> Tensor | None:
        """A field of all entities in one tensor; None unless every image has it."""
        if not all(boxes.has_field(name) for boxes in self.entities):
            return None
        return torch.cat([boxes.get_field(name) for boxes in self.entities])

    def batch_rows(self, pairs: Sequence[Tensor]) -> Tensor:
        """(p, 2) rows of an image's entities, for each image -> (P, 2) rows of the batch's."""
        starts = torch.tensor([0, *self.counts]).cumsum(0).tolist()
        return torch.cat([rows + start for rows, start in zip(pairs, starts[:-1], strict=True)])

    @abstractmethod
    def entity_features(self) -> Tensor:
        """(N, F)"""

    @abstractmethod
    def pair_features(self, pairs: Sequence[Tensor]) -> PairFeatures:
        """
        Args:
            pairs: (p, 2) int64 for each image, subject and object as rows of its entities; best on the CPU.
        """


class CachedRegions(Regions):
    """
    Regions whose features were made beforehand and lie in files: what is not asked for is not read.

    Args:
        entities: of each image; features go to the device of their boxes.
        arrays: for each image half-precision views of the files by name: `roi_features` (n, F), `union_features`
            (n·n, F) with the pair (i, j) in row i·n + j, and perhaps `spatial_features`, the same of the masks.
    """

    def __init__(self, entities: Sequence[BoxList], arrays: Sequence[Mapping[str, np.ndarray]]):
        self.entities, self.arrays = list(entities), list(arrays)

    @classmethod
    def joined(cls, parts: Iterable["CachedRegions"]) -> "CachedRegions":
        """Several batches as one."""
        parts = list(parts)
        return cls([boxes for part in parts for boxes in part.entities], [own for part in parts for own in part.arrays])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "CachedRegions":
        """The same for another device; features follow when they are asked for."""
        return CachedRegions([boxes.to(device, non_blocking=non_blocking) for boxes in self.entities], self.arrays)

    def entity_features(self) -> Tensor:
        """(N, F) float32."""
        return self._read("roi_features", [slice(None)] * len(self.arrays))

    def pair_features(self, pairs: Sequence[Tensor]) -> PairFeatures:
        """As of Regions; float32."""
        rows = [(own[:, 0] * n + own[:, 1]).cpu().numpy() for own, n in zip(pairs, self.counts, strict=True)]
        spatial = all("spatial_features" in arrays for arrays in self.arrays)
        return PairFeatures(
            self._read("union_features", rows), self._read("spatial_features", rows) if spatial else None
        )

    def _read(self, name: str, rows: Sequence[np.ndarray | slice]) -> Tensor:
        device = self.entities[0].bbox.device
        parts = [arrays[name][own] for arrays, own in zip(self.arrays, rows, strict=True)]
        found = torch.from_numpy(np.concatenate(parts))
        return (found.pin_memory() if device.type == "cuda" else found).to(device, non_blocking=True).float()
