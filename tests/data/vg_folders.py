"""Makes small data sets in the VG layout."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout

OBJECTS = ["man", "horse", "hat"]
PREDICATES = ["on", "near", "left of"]


def random_images(count: int, seed: int = 0, splits=("train", "train", "test")) -> list[dict]:
    """Images with up to 6 boxes and 8 relations, some without either, repeated and self-relations among them."""
    draw = np.random.default_rng(seed)
    images = []
    for position in range(count):
        width, height = draw.integers(40, 90, 2).tolist()
        boxes = int(draw.integers(0, 7))
        relations = int(draw.integers(0, 9)) if boxes else 0
        corners = np.sort(draw.random((boxes, 2, 2)) * [width, height], axis=1).reshape(-1, 4)
        images.append(
            {
                "image_id": 100 + position,
                "width": width,
                "height": height,
                "boxes": corners,
                "labels": draw.integers(1, 4, boxes),
                "relations": np.concatenate(
                    [draw.integers(0, max(boxes, 1), (relations, 2)), draw.integers(1, 4, (relations, 1))], axis=1
                ),
                "split": splits[position % len(splits)],
            }
        )
    return images


def write_images(folder: Path, images: list[dict], seed: int = 0) -> None:
    """A JPEG of noise for each image, under the name that the layout expects."""
    draw = np.random.default_rng(seed)
    (folder / "VG_100K").mkdir(parents=True, exist_ok=True)
    for image in images:
        pixels = draw.integers(0, 256, (image["height"], image["width"], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "VG_100K" / f"{image['image_id']}.jpg", quality=95)


def vg_files(folder: Path) -> dict:
    """Arguments of VGDataset for a folder in the layout."""
    return {
        "image_dir": folder / "VG_100K",
        "annotation_file": folder / "VG-SGG-with-attri.h5",
        "dict_file": folder / "VG-SGG-dicts-with-attri.json",
        "image_data_file": folder / "image_data.json",
    }


def layout(folder: Path, images: list[dict], **changes) -> dict:
    """Writes a folder in the layout; arguments of VGDataset for it."""
    write_vg_layout(folder, images, OBJECTS, PREDICATES)
    return {**vg_files(folder), **changes}


def image(boxes, relations=(), labels=None, width=100, height=50, split="train", **more) -> dict:
    """An image as write_vg_layout takes it, all of class 1."""
    labels = [1] * len(boxes) if labels is None else labels
    return {
        "width": width,
        "height": height,
        "boxes": boxes,
        "labels": labels,
        "relations": list(relations),
        "split": split,
        **more,
    }


def edit(file: Path, **arrays) -> None:
    """Replaces arrays of an h5 file; None removes one."""
    with h5py.File(file, "r+") as content:
        for name, value in arrays.items():
            del content[name]
            if value is not None:
                content[name] = value
