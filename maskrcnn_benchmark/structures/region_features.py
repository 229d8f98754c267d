"""What stands for an image where its features were computed beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList


def unordered_rows(pairs: Tensor, n: int) -> Tensor:
    """Row of each pair (p, 2) of n entities in a list of the n(n + 1)/2 unordered ones: (0,0), (0,1), ..., (0,n-1), (1,1), ..."""
    low, high = pairs.min(dim=1).values, pairs.max(dim=1).values
    return low * n - low * (low - 1) // 2 + high - low


@dataclass(frozen=True, kw_only=True)
class RegionFeatures:
    """
    Features of the entities of one image and of all their pairs; a model takes a list of these in place of images.

    Dims: n entities, F features, V width of the detector's features. The arrays are half-precision views of files: what is not asked for
    is not read.

    Args:
        entities: the boxes in the frame of the network's input, with the fields that the box head gives; in PredCls and SGCls labels come
            from the targets.
        roi_features: (n, F). union_features: (n·n, F), the pair (i, j) in row i·n + j. spatial_features: the same of the masks, or None.
        visual_features: (n(n + 1)/2, V) a row an unordered pair, as unordered_rows counts, or None.
        device: where what is asked for goes.
    """

    entities: BoxList
    roi_features: np.ndarray
    union_features: np.ndarray
    spatial_features: np.ndarray | None = None
    visual_features: np.ndarray | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "RegionFeatures":
        """The same for another device; features follow when they are asked for."""
        arrays = {name: getattr(self, name) for name in ("roi_features", "union_features", "spatial_features", "visual_features")}
        return RegionFeatures(entities=self.entities.to(device, non_blocking=non_blocking), device=torch.device(device), **arrays)

    def of_entities(self) -> Tensor:
        """(n, F) float32."""
        return self._rows(self.roi_features, slice(None))

    def of_pairs(self, pairs: Tensor) -> Mapping[str, Tensor | None]:
        """
        Features of some pairs.

        Args:
            pairs: (p, 2) rows of the entities.
        Returns:
            "union_features" (p, F), "spatial_features" (p, F) or None, "visual_features" (p, V) or None; float32.
        """
        n, pairs = len(self.entities), pairs.cpu()
        rows = {"union_features": pairs[:, 0] * n + pairs[:, 1], "visual_features": unordered_rows(pairs, n)}
        rows["spatial_features"] = rows["union_features"]
        return {name: self._rows(getattr(self, name), index.numpy()) for name, index in rows.items()}

    def _rows(self, array: np.ndarray | None, rows: np.ndarray | slice) -> Tensor | None:
        return None if array is None else torch.from_numpy(np.array(array[rows])).to(self.device).float()
