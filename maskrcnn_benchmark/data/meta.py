"""Facts of a data set that a model depends on: names and training statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

BACKGROUND = "__background__"
NAMES = ("objects", "predicates", "attributes")
COUNTS = ("predicate_totals", "fg_cells", "bg_matrix")


@dataclass(frozen=True, eq=False)
class DatasetMeta:
    """
    Names and training statistics of a data set; from files, from a checkpoint or made in memory.

    Dims: O object classes and K predicates, the background (row 0) counted in both.

    Args:
        objects: O names, background first.
        predicates: K names, background first.
        attributes: names, background first; empty where a data set has none.
        fg_matrix: (O, O, K) training relations by subject class, object class, predicate; column 0 is 0. None: no
            statistics.
        bg_matrix: (O, O) ordered pairs of overlapping boxes by their classes, annotated or not. None: no statistics.
        predicate_totals: (K,) relations by predicate that the data set's dictionary states (VG150: `predicate_count`,
            of all of Visual Genome), 0 for the background; None where it states none.
    Raises:
        ValueError: matrices or totals of another shape, or one matrix without the other.
    """

    objects: tuple[str, ...]
    predicates: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    fg_matrix: np.ndarray | None = None
    bg_matrix: np.ndarray | None = None
    predicate_totals: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in NAMES:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.predicate_totals is not None and self.predicate_totals.shape != (self.num_predicates,):
            raise ValueError(
                f"DatasetMeta: predicate_totals must be ({self.num_predicates},), got {self.predicate_totals.shape}"
            )
        if (self.fg_matrix is None) != (self.bg_matrix is None):
            raise ValueError("DatasetMeta: fg_matrix and bg_matrix come together, got only one")
        if self.fg_matrix is None:
            return
        expected_fg = (self.num_classes, self.num_classes, self.num_predicates)
        if self.fg_matrix.shape != expected_fg or self.bg_matrix.shape != expected_fg[:2]:
            raise ValueError(
                f"DatasetMeta: for {self.num_classes} objects and {self.num_predicates} predicates fg_matrix must be"
                f" {expected_fg} and bg_matrix {expected_fg[:2]}, got {self.fg_matrix.shape} and {self.bg_matrix.shape}"
            )

    @property
    def num_classes(self) -> int:
        """O, background counted."""
        return len(self.objects)

    @property
    def num_predicates(self) -> int:
        """K, background counted."""
        return len(self.predicates)

    @property
    def num_attributes(self) -> int:
        """Attributes, background counted; 0 without any."""
        return len(self.attributes)

    def predicate_counts(self) -> np.ndarray | None:
        """(K,) training relations by predicate, 0 for the background; None without statistics."""
        return None if self.fg_matrix is None else self.fg_matrix.sum(axis=(0, 1))

    def frequency_table(self) -> torch.Tensor:
        """
        (O, O, K) float32 log-frequencies of predicates given both classes: log(c / sum of c over K + 0.001) with c the
        training counts and c = 1 + bg_matrix for the background (Zellers et al., Neural Motifs, CVPR 2018). Zeros
        without statistics.
        """
        if self.fg_matrix is None:
            return torch.zeros(self.num_classes, self.num_classes, self.num_predicates)
        counts = self.fg_matrix.astype(np.float64)
        counts[:, :, 0] = self.bg_matrix.astype(np.float64) + 1
        return torch.from_numpy(np.log(counts / counts.sum(axis=2, keepdims=True) + 1e-3).astype(np.float32))

    def to_state(self) -> dict[str, Any]:
        """
        Lists of names and int64 tensors, fit for a checkpoint: "predicate_totals", "bg_matrix" and the foreground as
        sparse "fg_cells" (rows subject, object, predicate, count), as far as they are there.
        """
        counts = {}
        if self.predicate_totals is not None:
            counts["predicate_totals"] = self.predicate_totals
        if self.fg_matrix is not None:
            cells = np.argwhere(self.fg_matrix)
            counts["fg_cells"] = np.concatenate([cells, self.fg_matrix[tuple(cells.T)][:, None]], axis=1)
            counts["bg_matrix"] = self.bg_matrix
        tensors = {key: torch.from_numpy(values.astype(np.int64)) for key, values in counts.items()}
        return {**{name: list(getattr(self, name)) for name in NAMES}, **tensors}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "DatasetMeta":
        """The inverse of to_state. ValueError for counts that are none, or any error of a state of another form."""
        counts = {key: state[key].numpy() for key in COUNTS if key in state}
        odd = [key for key, values in counts.items() if values.dtype.kind not in "iu" or (values < 0).any()]
        if odd:
            raise ValueError(f"{odd[0]} must hold whole numbers from 0")
        meta = cls(**{key: state[key] for key in NAMES}, predicate_totals=counts.get("predicate_totals"))
        if "fg_cells" not in counts:
            return meta
        cells = counts["fg_cells"]
        fg_matrix = np.zeros((meta.num_classes, meta.num_classes, meta.num_predicates), dtype=np.int64)
        fg_matrix[tuple(cells[:, :3].T)] = cells[:, 3]
        return replace(meta, fg_matrix=fg_matrix, bg_matrix=counts["bg_matrix"])
