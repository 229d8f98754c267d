"""
Made-up annotations of Visual Genome's size, for measurements: 108,073 images, 1.2 million boxes, 0.6 million relations.
"""

from pathlib import Path

import h5py
import numpy as np

from maskrcnn_benchmark.data.datasets.vg_layout import DICTS, H5, IMAGE_DATA, IMAGE_DIR
from maskrcnn_benchmark.utils.files import write_json

OBJECTS, PREDICATES, ATTRIBUTES = 150, 50, 200


def write_synthetic_vg(folder: Path, *, images: int = 108073, seed: int = 0) -> Path:
    """
    Writes the annotation files of the VG layout (and an empty folder of images). Classes are long-tailed, boxes as
    large as VG's.
    """
    draw = np.random.default_rng(seed)
    boxes_of = np.clip(draw.poisson(11.2, images), 1, 62)
    relations_of = np.where(boxes_of > 1, draw.poisson(5.7, images), 0)
    boxes, relations = int(boxes_of.sum()), int(relations_of.sum())
    (folder / IMAGE_DIR).mkdir(parents=True, exist_ok=True)
    sides = np.clip(draw.lognormal(5.5, 0.7, (boxes, 2)), 8, 900).astype(np.int32)
    # Objects crowd in the middle, so that about half of the related boxes overlap.
    centres = (sides // 2 + draw.random((3, boxes, 2)).mean(axis=0) * (1024 - sides)).astype(np.int32)
    starts = np.cumsum(boxes_of) - boxes_of
    count = np.repeat(boxes_of, relations_of)
    subjects = draw.integers(0, count)
    objects = (subjects + draw.integers(1, np.maximum(count, 2))) % count
    first = np.repeat(starts, relations_of)
    with h5py.File(folder / H5, "w") as file:
        for name, counts in (("box", boxes_of), ("rel", relations_of)):
            ends = np.cumsum(counts)
            file[f"img_to_first_{name}"] = np.where(counts > 0, ends - counts, -1).astype(np.int32)
            file[f"img_to_last_{name}"] = np.where(counts > 0, ends - 1, -1).astype(np.int32)
        file["split"] = np.where(draw.random(images) < 0.7, 0, 2).astype(np.int32)
        file["labels"] = _long_tailed(draw, boxes, OBJECTS)[:, None]
        file["attributes"] = np.zeros((boxes, 10), dtype=np.int64)
        file["boxes_1024"] = np.concatenate([centres, sides], axis=1)
        file["relationships"] = np.stack([first + subjects, first + objects], axis=1).astype(np.int32)
        file["predicates"] = _long_tailed(draw, relations, PREDICATES)[:, None]
    sizes = (
        ("label", "object", OBJECTS),
        ("predicate", "predicate", PREDICATES),
        ("attribute", "attribute", ATTRIBUTES),
    )
    write_json(
        folder / DICTS,
        {f"{key}_to_idx": {f"{name} {i}": i for i in range(1, number + 1)} for key, name, number in sizes},
    )
    write_json(folder / IMAGE_DATA, [{"image_id": i + 1, "width": 500, "height": 375} for i in range(images)])
    return folder


def _long_tailed(draw: np.random.Generator, size: int, classes: int) -> np.ndarray:
    weights = 1 / np.arange(1, classes + 1)
    return draw.choice(classes, size=size, p=weights / weights.sum()).astype(np.int64) + 1
