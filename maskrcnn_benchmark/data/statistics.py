"""
How often which predicate joins which classes in training images: counted over flat arrays, kept in a cache.

Dims: I images, O object classes and K predicates, background counted in both.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskrcnn_benchmark.data.annotations import Annotations, related_boxes_overlap
from maskrcnn_benchmark.data.meta import NAMES, DatasetMeta
from maskrcnn_benchmark.utils.arrays import DAMAGE
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.limits import ARRAY_BYTES
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

CACHE_DIR = Path("output/cache")
# Part of every cache's key: raise it when what is counted changes.
_VERSION = 2


@dataclass(frozen=True, eq=False)
class TrainingStatistics:
    """
    Args:
        meta: names, and counts as DatasetMeta describes them.
        triplets: (t, 3) int64 distinct subject class, object class, predicate of the training split, sorted.
    """

    meta: DatasetMeta
    triplets: np.ndarray


def count_relations(
    annotations: Annotations, num_classes: int, num_predicates: int, *, overlapping: bool
) -> tuple[np.ndarray, np.ndarray]:
    """
    Counts the relations and the pairs of intersecting boxes of training images.

    Counted are images with a relation; with `overlapping`, relations whose boxes have IoU > 0 (+1 convention) and
    images with such a one.

    Returns:
        fg (O, O, K) int64: relations by subject class, object class and predicate, repeated ones each time.
        bg (O, O) int64: ordered pairs of different boxes that intersect (strictly, without +1), annotated or not; all
            pairs of an image where no two boxes intersect.
    Raises:
        UserError: fg would be larger than DATA_MAX_ARRAY_BYTES.
    """
    size = num_classes * num_classes * num_predicates
    ARRAY_BYTES.check(8 * size, f"counts of {num_classes} x {num_classes} classes and {num_predicates} predicates")
    if overlapping:
        annotations = annotations.keep_relations(related_boxes_overlap(annotations))
    annotations = annotations.take(np.flatnonzero(annotations.rel_counts > 0))
    triplets = annotations.triplets()
    cells = (triplets[:, 0] * num_classes + triplets[:, 1]) * num_predicates + triplets[:, 2]
    fg = np.bincount(cells, minlength=size).reshape(num_classes, num_classes, num_predicates)

    unordered, intersects = _count_pairs(annotations, num_classes, intersecting=True)
    apart = annotations.take(np.flatnonzero(~intersects))
    unordered += _count_pairs(apart, num_classes, intersecting=False)[0]
    return fg, unordered + unordered.T


def _count_pairs(annotations: Annotations, num_classes: int, *, intersecting: bool) -> tuple[np.ndarray, np.ndarray]:
    """
    Pairs of boxes of one image, each once: all of them, or those that intersect.

    Box k is compared with box k + 1, then k + 2, ... for all images at once, as long as any image has boxes that far
    apart.

    Returns:
        (O, O) int64 counts by class of the earlier and of the later box; (I,) bool whether an image has such a pair.
    """
    x1, y1, x2, y2 = np.ascontiguousarray(_small(annotations.boxes).T)
    labels = annotations.labels.astype(np.int32)
    image = annotations.image_of_box().astype(np.int32)
    end = annotations.box_start[1:][image]
    counts = np.zeros(num_classes * num_classes, dtype=np.int64)
    found = np.zeros(annotations.num_images, dtype=bool)
    rows = np.arange(len(labels))
    step = 1
    while True:
        rows = rows[rows + step < end[rows]]
        if len(rows) == 0:
            return counts.reshape(num_classes, num_classes), found
        first, second = rows, rows + step
        if intersecting:
            hit = np.maximum(x1[first], x1[second]) < np.minimum(x2[first], x2[second])
            hit &= np.maximum(y1[first], y1[second]) < np.minimum(y2[first], y2[second])
            first, second = first[hit], second[hit]
        counts += np.bincount(labels[first] * num_classes + labels[second], minlength=len(counts))
        found[image[first]] = True
        step += 1


def _small(boxes: np.ndarray) -> np.ndarray:
    """Integer boxes as int16 where they fit, which halves the time of the comparisons."""
    fits = np.issubdtype(boxes.dtype, np.integer) and (len(boxes) == 0 or max(boxes.max(), -boxes.min()) < 2**15)
    return boxes.astype(np.int16) if fits else boxes


def cache_file(name: str, files: Sequence[Path], settings: dict[str, Any]) -> Path:
    """Named for what is counted: every file's path, size and time of change, and the settings (plain values)."""
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    text = json.dumps([_VERSION, stats, settings], sort_keys=True, default=str)
    return CACHE_DIR / f"statistics-{name}-{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}.npz"


def load_cached(path: Path) -> TrainingStatistics | None:
    """Statistics from a cache file; None, with a warning where it exists but cannot be read."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = dict(content)
        triplets = arrays.pop("triplets").astype(np.int64)
        state = {key: values.tolist() if key in NAMES else torch.from_numpy(values) for key, values in arrays.items()}
        return TrainingStatistics(DatasetMeta.from_state(state), triplets)
    except DAMAGE as error:
        logger.warning(
            "%s cannot be read (%s: %s): the statistics are counted again", path, type(error).__name__, error
        )
        return None


def store(path: Path, statistics: TrainingStatistics) -> None:
    """Writes a cache file; a warning where that is impossible."""
    try:
        with atomic_path(path) as temporary:
            np.savez(temporary, **statistics.meta.to_state(), triplets=statistics.triplets.astype(np.int32))
    except OSError as error:
        logger.warning("%s cannot be written (%s): the statistics will be counted anew each start", path, error)
