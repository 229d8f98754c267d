"""
What a relation predictor gets and gives: one flat batch over all images.

Dims: B images, N entities, P pairs, O object classes, K predicates (0 is background), F features.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """
    Entities and ordered pairs of a batch of images; images follow one another in every tensor.

    Args:
        boxes: (N, 4) xyxy, in the frame of their unpadded image.
        image_sizes: (width, height) of each unpadded image.
        num_objects: number of entities of each image; sums to N.
        pair_index: (P, 2) int64, subject and object as rows of the batch-wide list of entities.
        num_pairs: number of pairs of each image; sums to P.
        roi_features: (N, F) of the entities' boxes.
        union_features: (P, F) of the union boxes, spatial masks added.
        object_labels: (N,) int64 or None.
        object_logits: (N, O) of the box head, or None.
        boxes_per_class: (N, O, 4) regressed boxes, or None.
        rel_labels: (P,) int64 predicate of the ground truth, 0 for none; None outside training.
        related: one (n, n) bool matrix per image, symmetric, or None (VCTree reads it).
        spatial_features: (P, F) of the masks alone, or None (CAUSAL.SEPARATE_SPATIAL).
    Raises:
        ValueError: a length that does not fit; the message names the field, what was expected and what was found.
    """

    boxes: Tensor
    image_sizes: list[tuple[int, int]]
    num_objects: list[int]
    pair_index: Tensor
    num_pairs: list[int]
    roi_features: Tensor
    union_features: Tensor
    object_labels: Tensor | None = None
    object_logits: Tensor | None = None
    boxes_per_class: Tensor | None = None
    rel_labels: Tensor | None = None
    related: list[Tensor] | None = None
    spatial_features: Tensor | None = None

    def __post_init__(self) -> None:
        images, objects, pairs = len(self.image_sizes), len(self.boxes), len(self.pair_index)
        if self.boxes.dim() != 2 or self.boxes.size(1) != 4:
            raise ValueError(f"PairBatch: boxes must be (N, 4), got {tuple(self.boxes.shape)}")
        if self.pair_index.dim() != 2 or self.pair_index.size(1) != 2:
            raise ValueError(f"PairBatch: pair_index must be (P, 2), got {tuple(self.pair_index.shape)}")
        for name, expected in (("num_objects", objects), ("num_pairs", pairs)):
            counts = getattr(self, name)
            if len(counts) != images or sum(counts) != expected:
                raise ValueError(f"PairBatch: {name} must hold {images} counts with sum {expected}, got {list(counts)}")
        for name in ("roi_features", "object_labels", "object_logits", "boxes_per_class"):
            self._check_rows(name, objects, "entities")
        for name in ("union_features", "rel_labels", "spatial_features"):
            self._check_rows(name, pairs, "pairs")
        if self.related is not None:
            shapes, wanted = [tuple(matrix.shape) for matrix in self.related], [(n, n) for n in self.num_objects]
            if shapes != wanted:
                raise ValueError(f"PairBatch: related must hold matrices of {wanted}, got {shapes}")

    def _check_rows(self, name: str, rows: int, what: str) -> None:
        value: Any = getattr(self, name)
        if value is not None and (value.dim() == 0 or value.size(0) != rows):
            raise ValueError(f"PairBatch: {name} has shape {tuple(value.shape)}, but there are {rows} {what}")


@dataclass(frozen=True)
class RelationOutput:
    """
    What a relation predictor returns.

    Args:
        entity_logits: (N, O), refined or as they came.
        relation_logits: (P, K), background first.
        losses: the predictor's own weighted losses by name; empty outside training.
        terms: (P, K) scores by the name of what relation_logits are made of, where a predictor gives them (SPLN); else
            empty.
    Raises:
        ValueError: logits that are not two-dimensional, or a loss that is not a single number.
    """

    entity_logits: Tensor
    relation_logits: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)
    terms: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("entity_logits", "relation_logits"):
            logits = getattr(self, name)
            if logits is not None and logits.dim() != 2:
                raise ValueError(f"RelationOutput: {name} must be two-dimensional, got {tuple(logits.shape)}")
        for name, loss in self.losses.items():
            if loss.numel() != 1:
                raise ValueError(f"RelationOutput: loss '{name}' must be one number, got shape {tuple(loss.shape)}")
