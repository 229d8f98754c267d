"""
Writes a data set in the layout of Visual Genome's scene graph files, which the loader, the tools and the configs read.

A folder holds `image_data.json`, `VG-SGG-dicts-with-attri.json`, `VG-SGG-with-attri.h5` and the images under
`VG_100K/`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from maskrcnn_benchmark.data.annotations import offsets
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_json

IMAGE_DATA = "image_data.json"
DICTS = "VG-SGG-dicts-with-attri.json"
H5 = "VG-SGG-with-attri.h5"
IMAGE_DIR = "VG_100K"
BOX_SCALES = (1024, 512)
MAX_ATTRIBUTES = 10


def encode_boxes(boxes: np.ndarray, width: int, height: int, scale: int) -> np.ndarray:
    """
    Boxes as the files keep them.

    Args:
        boxes: (n, 4) xyxy in pixels of a width x height image.
        scale: length of the longer side of the image that the result is drawn on, 1024 or 512.
    Returns:
        (n, 4) int32 centre x, centre y, width, height, such that trunc(centre - side / 2) and that plus the side are
        the rounded corners.
    """
    scaled = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * (scale / max(width, height))
    corners = np.maximum(np.rint(scaled).astype(np.int64), 0)  # truncation is downwards only from 0 on
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0)
    return np.concatenate([corners[:, :2] + (sides + 1) // 2, sides], axis=1).astype(np.int32)


def write_vg_layout(
    folder: str | Path,
    images: Sequence[Mapping[str, Any]],
    objects: Sequence[str],
    predicates: Sequence[str],
    attributes: Sequence[str] = (),
) -> Path:
    """
    Writes the three annotation files, each whole or not at all. Image files are the caller's to put under
    `folder/VG_100K`.

    Args:
        images: one mapping per image: `width`, `height`; `boxes` (n, 4) xyxy pixels; `labels` (n,) from 1; `relations`
            (r, 3) subject row, object row, predicate from 1; `split` "train", "val" or "test"; optional `image_id`
            (int, by default the position from 1), `file_name` under VG_100K (by default <image_id>.jpg), `attributes`
            (a list of ids from 1 for each box, at most 10).
        objects, predicates, attributes: names without a background; id i is name i - 1.
    Returns:
        The folder.
    Raises:
        UserError: rows, ids or a split that do not fit; the message names the image.
    """
    folder = Path(folder)
    sizes = {"object": len(objects), "predicate": len(predicates), "attribute": len(attributes)}
    records = [_record(position, image, sizes) for position, image in enumerate(images)]
    with atomic_path(folder / H5) as temporary, h5py.File(temporary, "w") as file:
        _write_arrays(file, records)
        # Until it is written anew, which is last, the folder is no data set: old and new files never make one.
        (folder / IMAGE_DATA).unlink(missing_ok=True)
    write_json(folder / DICTS, _dictionaries(records, objects, predicates, attributes))
    write_json(folder / IMAGE_DATA, [record["info"] for record in records])
    return folder


def _record(position: int, image: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """One image's checked arrays."""
    image_id, width, height = int(image.get("image_id", position + 1)), int(image["width"]), int(image["height"])
    info = {"image_id": image_id, "width": width, "height": height}
    name = image.get("file_name")
    if name is not None and name != f"{image_id}.jpg":
        info["file_name"] = str(name)
    what = f"image {image_id} ({name or f'position {position}'})"
    if min(width, height) <= 0:
        raise UserError(f"{what}: width and height must be above 0, found {width} x {height}")
    if image["split"] not in SPLIT_MARKS:
        raise UserError(f"{what}: split must be one of {', '.join(SPLIT_MARKS)}, found {image['split']!r}")
    boxes = np.asarray(image["boxes"], dtype=np.float64).reshape(-1, 4)
    labels = np.asarray(image["labels"], dtype=np.int64).reshape(-1)
    relations = np.asarray(image["relations"], dtype=np.int64).reshape(-1, 3)
    attributes = np.zeros((len(boxes), MAX_ATTRIBUTES), dtype=np.int64)
    for row, ids in enumerate(image.get("attributes", ())):
        if row >= len(boxes) or len(ids) > MAX_ATTRIBUTES:
            raise UserError(
                f"{what}: at most {MAX_ATTRIBUTES} attributes fit each of {len(boxes)} boxes, box {row} has {len(ids)}"
            )
        attributes[row, : len(ids)] = ids
    if len(labels) != len(boxes):
        raise UserError(f"{what}: {len(boxes)} boxes but {len(labels)} labels")
    _check_range(what, "label", labels, 1, sizes["object"])
    _check_range(what, "predicate", relations[:, 2], 1, sizes["predicate"])
    _check_range(what, "relation's box row", relations[:, :2], 0, len(boxes) - 1)
    _check_range(what, "attribute", attributes, 0, sizes["attribute"])
    rows = {"boxes": boxes, "labels": labels, "relations": relations, "attributes": attributes}
    return {"info": info, "split": SPLIT_MARKS[image["split"]], **rows}


def _check_range(what: str, name: str, values: np.ndarray, low: int, high: int) -> None:
    bad = values[(values < low) | (values > high)]
    if bad.size:
        raise UserError(f"{what}: {name} must lie between {low} and {high}, found {bad.flat[0]}")


def _stack(parts: Sequence[np.ndarray], width: int, dtype: type) -> np.ndarray:
    rows = [part.reshape(-1, width).astype(dtype) for part in parts]
    return np.concatenate([np.zeros((0, width), dtype=dtype), *rows])


def _write_arrays(file: h5py.File, records: Sequence[Mapping[str, Any]]) -> None:
    file["split"] = np.array([record["split"] for record in records], dtype=np.int32)
    box_starts = offsets([len(record["boxes"]) for record in records])
    for what, starts in (("box", box_starts), ("rel", offsets([len(record["relations"]) for record in records]))):
        some = np.diff(starts) > 0
        # Both ends are included; -1 where an image has none.
        file[f"img_to_first_{what}"] = np.where(some, starts[:-1], -1).astype(np.int32)
        file[f"img_to_last_{what}"] = np.where(some, starts[1:] - 1, -1).astype(np.int32)
    file["labels"] = _stack([record["labels"] for record in records], 1, np.int64)
    file["attributes"] = _stack([record["attributes"] for record in records], MAX_ATTRIBUTES, np.int64)
    for scale in BOX_SCALES:
        sized = ((record["boxes"], record["info"]) for record in records)
        encoded = [encode_boxes(boxes, info["width"], info["height"], scale) for boxes, info in sized]
        file[f"boxes_{scale}"] = _stack(encoded, 4, np.int32)
    ends = [record["relations"][:, :2] + start for record, start in zip(records, box_starts[:-1], strict=True)]
    file["relationships"] = _stack(ends, 2, np.int32)
    file["predicates"] = _stack([record["relations"][:, 2] for record in records], 1, np.int64)


def _dictionaries(
    records: Sequence[Mapping[str, Any]], objects: Sequence[str], predicates: Sequence[str], attributes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Names by id, ids by name, and how often each occurs in training images (class weights come from these)."""
    tables: dict[str, dict[str, Any]] = {}
    records = [record for record in records if record["split"] == SPLIT_MARKS["train"]]
    kinds = (
        ("label", "object_count", objects, [record["labels"] for record in records]),
        ("predicate", "predicate_count", predicates, [record["relations"][:, 2] for record in records]),
        ("attribute", "attribute_count", attributes, [record["attributes"].ravel() for record in records]),
    )
    for kind, count_key, names, ids in kinds:
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice:
            raise UserError(f"{kind} names must differ, found more than once: {twice}")
        counts = np.bincount(np.concatenate([np.zeros(0, dtype=np.int64), *ids]), minlength=len(names) + 1)
        tables[f"{kind}_to_idx"] = {name: i for i, name in enumerate(names, start=1)}
        tables[f"idx_to_{kind}"] = {str(i): name for i, name in enumerate(names, start=1)}
        tables[count_key] = {name: int(counts[i]) for i, name in enumerate(names, start=1)}
    return tables
