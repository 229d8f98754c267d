"""
Boxes and relations of many images in a few flat arrays, which worker processes share and never copy.

Dims: I images, B boxes and R relations of all of them.
"""

from dataclasses import dataclass, replace

import numpy as np


def expand_ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The rows of many ranges one after another: starts (n,), counts (n,) -> (sum of counts,) int64."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)


def offsets(counts: np.ndarray) -> np.ndarray:
    """(n,) counts -> (n + 1,) int64 first rows, the total last."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


@dataclass(frozen=True, eq=False)
class Annotations:
    """
    Args:
        boxes: (B, 4) xyxy; image i has rows box_start[i] to box_start[i + 1].
        labels: (B,) object classes from 1.
        box_start: (I + 1,) int64.
        relations: (R, 3) subject and object row within the image, predicate from 1.
        rel_start: (I + 1,) int64.
        attributes: (B, A) ids from 1, 0 for none; None where a data set has none.
    """

    boxes: np.ndarray
    labels: np.ndarray
    box_start: np.ndarray
    relations: np.ndarray
    rel_start: np.ndarray
    attributes: np.ndarray | None = None

    @property
    def num_images(self) -> int:
        """I."""
        return len(self.box_start) - 1

    @property
    def box_counts(self) -> np.ndarray:
        """(I,) boxes per image."""
        return np.diff(self.box_start)

    @property
    def rel_counts(self) -> np.ndarray:
        """(I,) relations per image."""
        return np.diff(self.rel_start)

    def image_of_box(self) -> np.ndarray:
        """(B,) image of each box."""
        return np.repeat(np.arange(self.num_images), self.box_counts)

    def image_of_relation(self) -> np.ndarray:
        """(R,) image of each relation."""
        return np.repeat(np.arange(self.num_images), self.rel_counts)

    def relation_boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """(R,) rows of `boxes` of the subjects, and of the objects."""
        first = np.repeat(self.box_start[:-1], self.rel_counts)
        return first + self.relations[:, 0], first + self.relations[:, 1]

    def triplets(self) -> np.ndarray:
        """(R, 3) int64 subject class, object class, predicate of each relation."""
        subjects, objects = self.relation_boxes()
        return np.stack([self.labels[subjects], self.labels[objects], self.relations[:, 2]], axis=1).astype(np.int64)

    def distinct_triplets(self) -> np.ndarray:
        """(t, 3) int64 rows of triplets(), each once, sorted."""
        triplets = self.triplets()
        if len(triplets) == 0:
            return triplets
        shape = tuple(triplets.max(axis=0) + 1)
        codes = np.flatnonzero(np.bincount(np.ravel_multi_index(tuple(triplets.T), shape)))
        return np.stack(np.unravel_index(codes, shape), axis=1)

    def take(self, images: np.ndarray) -> "Annotations":
        """The images of the given rows, in that order."""
        box_counts, rel_counts = self.box_counts[images], self.rel_counts[images]
        boxes = expand_ranges(self.box_start[:-1][images], box_counts)
        relations = expand_ranges(self.rel_start[:-1][images], rel_counts)
        return Annotations(
            boxes=self.boxes[boxes],
            labels=self.labels[boxes],
            box_start=offsets(box_counts),
            relations=self.relations[relations],
            rel_start=offsets(rel_counts),
            attributes=None if self.attributes is None else self.attributes[boxes],
        )

    def keep_relations(self, keep: np.ndarray) -> "Annotations":
        """The relations where `keep` (R,) is set; all images and boxes stay."""
        counts = np.bincount(self.image_of_relation()[keep], minlength=self.num_images)
        return replace(self, relations=self.relations[keep], rel_start=offsets(counts))

    def keep_boxes(self, keep: np.ndarray) -> "Annotations":
        """The boxes where `keep` (B,) is set and the relations among them, renumbered; all images stay."""
        subjects, objects = self.relation_boxes()
        inside = self.keep_relations(keep[subjects] & keep[objects])
        kept_before = offsets(keep)
        new_row = kept_before[:-1] - np.repeat(kept_before[self.box_start[:-1]], self.box_counts)
        subjects, objects = inside.relation_boxes()
        relations = np.stack([new_row[subjects], new_row[objects], inside.relations[:, 2]], axis=1)
        return Annotations(
            boxes=self.boxes[keep],
            labels=self.labels[keep],
            box_start=kept_before[self.box_start],
            relations=relations.astype(self.relations.dtype),
            rel_start=inside.rel_start,
            attributes=None if self.attributes is None else self.attributes[keep],
        )


def in_parts(boxes: np.ndarray) -> np.ndarray:
    """(n,) whether a box (n, 4) lies between 0 and 1, as boxes do that are given in parts of their image."""
    return ((boxes >= 0) & (boxes <= 1)).all(axis=1) & (boxes != np.rint(boxes)).any(axis=1)


def related_boxes_overlap(annotations: Annotations) -> np.ndarray:
    """(R,) whether a relation's boxes have IoU > 0, +1 pixel convention, in the scale of the boxes."""
    subjects, objects = annotations.relation_boxes()
    a, b = annotations.boxes[subjects], annotations.boxes[objects]
    across = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + 1
    return (across > 0).all(axis=1)
