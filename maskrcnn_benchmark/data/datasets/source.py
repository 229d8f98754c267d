"""What a reader of annotation files hands over, whatever the format, and how it is split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskrcnn_benchmark.data.annotations import Annotations
from maskrcnn_benchmark.data.findings import Finding
from maskrcnn_benchmark.utils.errors import UserError

TRAIN, VAL, TEST = 0, 1, 2
SPLIT_MARKS = {"train": TRAIN, "val": VAL, "test": TEST}
SPLITS = tuple(SPLIT_MARKS)


@dataclass(frozen=True, eq=False)
class AnnotationSource:
    """
    All that annotation files say. Dims: I images.

    Args:
        file: the annotation file, for messages.
        objects, predicates, attributes: names, background first (attributes may be empty).
        annotations: of all I images, boxes xyxy in pixels or on the scale of `box_scale`.
        marks: (I,) 0 train, 1 val, 2 test.
        image_ids: (I,) int64.
        sizes: (I, 2) int32 width, height; None where only statistics are wanted.
        file_names: (I,) bytes relative to the folder of images; None: <image id>.jpg.
        box_scale: length of the longer side of the image that boxes are drawn on; None: pixels.
        overlapping_statistics: training statistics count only relations between overlapping boxes.
        predicate_totals: (K,) relations by predicate that the files state, as DatasetMeta has them.
        findings: what is odd or was left out.
    """

    file: Path
    objects: tuple[str, ...]
    predicates: tuple[str, ...]
    attributes: tuple[str, ...]
    annotations: Annotations
    marks: np.ndarray
    image_ids: np.ndarray | None = None
    sizes: np.ndarray | None = None
    file_names: np.ndarray | None = None
    box_scale: int | None = None
    overlapping_statistics: bool = False
    predicate_totals: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()

    def pixel_boxes(self) -> np.ndarray:
        """(B, 4) float32 boxes in pixels of their image, not clipped."""
        if self.box_scale is None:
            return self.annotations.boxes.astype(np.float32)
        longer = np.repeat(self.sizes.max(axis=1), self.annotations.box_counts)
        return (self.annotations.boxes / self.box_scale * longer[:, None]).astype(np.float32)

    def take(self, images: np.ndarray) -> "AnnotationSource":
        """The images of the given rows, in that order."""
        by_image = {key: getattr(self, key) for key in ("marks", "image_ids", "sizes", "file_names")}
        taken = {key: values[images] for key, values in by_image.items() if values is not None}
        return replace(self, annotations=self.annotations.take(images), **taken)

    def file_name(self, image: int) -> str:
        """The image file relative to the folder of images."""
        return f"{self.image_ids[image]}.jpg" if self.file_names is None else self.file_names[image].decode()


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Boxes cut to 0 ... W - 1 and 0 ... H - 1.

    Args:
        boxes: (B, 4) float32 xyxy pixels.
        sizes: (B, 2) width and height of each box's image.
    Returns:
        The cut boxes, and (B,) bool whether a box reached beyond 0 ... W, 0 ... H.
    """
    beyond = (boxes[:, :2] < 0).any(axis=1) | (boxes[:, 2:] > sizes).any(axis=1)
    last = np.concatenate([sizes, sizes], axis=1).astype(np.float32) - 1
    return np.clip(boxes, 0, last), beyond


def split_rows(
    source: AnnotationSource, split: str, *, num_val: int | None, with_relations: bool, may_be_empty: bool = False
) -> np.ndarray:
    """
    The images of a split, in the order of the file.

    Images without a box are in no split; with `with_relations` those without a relation neither. The first `num_val` of
    the images that are left and marked as training are val, unless any image of the file is marked as val.

    Raises:
        UserError: an unknown split, or, unless `may_be_empty`, one without an image.
    """
    if split not in SPLIT_MARKS:
        raise UserError(f"split must be one of {', '.join(SPLIT_MARKS)}, found {split!r}")
    usable = source.annotations.box_counts > 0
    if with_relations:
        usable &= source.annotations.rel_counts > 0
    marks = source.marks
    if num_val and not (marks == VAL).any():
        marks = marks.copy()
        marks[np.flatnonzero(usable & (marks == TRAIN))[:num_val]] = VAL
    rows = np.flatnonzero(usable & (marks == SPLIT_MARKS[split]))
    if len(rows) == 0 and not may_be_empty:
        what = "with a relation" if with_relations else "with a box"
        raise UserError(
            f"{source.file}: no image {what} in split '{split}', of {len(marks)} images; "
            f"val is the first {num_val or 0} of training unless the file marks val itself"
        )
    return rows


def names_array(names: Sequence[str]) -> np.ndarray:
    """File names as one flat array of UTF-8 bytes."""
    return np.array([name.encode() for name in names], dtype=np.bytes_)
