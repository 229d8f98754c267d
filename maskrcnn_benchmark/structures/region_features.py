"""What stands for an image where its features were computed beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class RegionFeatures:
    """
    Features of the entities of one image and of all their pairs; a model takes a list of these in place of images.

    Dims: n entities, F features. The arrays are half-precision views of files: what is not asked for
    is not read.

    Args:
        entities: the boxes in the frame of the network's input, with the fields that the box head gives; in PredCls and
            SGCls labels come from the targets.
        roi_features: (n, F). union_features: (n·n, F), the pair (i, j) in row i·n + j. spatial_features: the same of
            the masks, or None.
        device: where what is asked for goes.
    """

    entities: BoxList
    roi_features: np.ndarray
    union_features: np.ndarray
    spatial_features: np.ndarray | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "RegionFeatures":
        """The same for another device; features follow when they are asked for."""
        arrays = {name: getattr(self, name) for name in ("roi_features", "union_features", "spatial_features")}
        return RegionFeatures(
            entities=self.entities.to(device, non_blocking=non_blocking), device=torch.device(device), **arrays
        )

    def of_entities(self) -> Tensor:
        """(n, F) float32."""
        return self._rows(self.roi_features, slice(None))

    def of_pairs(self, pairs: Tensor) -> Mapping[str, Tensor | None]:
        """
        Features of some pairs.

        Args:
            pairs: (p, 2) rows of the entities.
        Returns:
            "union_features" (p, F), "spatial_features" (p, F) or None; float32.
        """
        pairs = pairs.cpu()
        rows = (pairs[:, 0] * len(self.entities) + pairs[:, 1]).numpy()
        return {name: self._rows(getattr(self, name), rows) for name in ("union_features", "spatial_features")}

    def _rows(self, array: np.ndarray | None, rows: np.ndarray | slice) -> Tensor | None:
        if array is None:
            return None
        found = torch.from_numpy(np.array(array[rows]))
        return (found.pin_memory() if self.device.type == "cuda" else found).to(self.device, non_blocking=True).float()
