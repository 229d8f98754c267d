"""
Label Studio's JSON export: rectangles with labels, relations between them, and choices of a rectangle as attributes.

A task is {"data": {"image": ...}, "annotations": [{"result": [...]}]}. Of its results, `rectanglelabels` (or `labels`)
have x, y, width, height in percent of the picture, and `relation` from_id, to_id, direction and labels.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from maskrcnn_benchmark.data.custom.plain import Given, box_from_sides
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.untrusted import NUMBER, TEXT, fields, shown

logger = get_logger(__name__)

_RECTANGLES = ("rectanglelabels", "labels")
# Results that say something of the whole picture, or in words; no objects.
_ASIDE = {"choices", "textarea", "rating", "number", "datetime", "taxonomy", "ranker", "pairwise"}
_UPLOAD = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file


def is_label_studio(content: list[Any]) -> bool:
    """Whether a JSON list is an export of tasks."""
    first = content[0] if content else None
    return isinstance(first, dict) and "data" in first and "annotations" in first


def read_label_studio(file: Path, tasks: list[Any], image_dir: Path) -> Iterator[Given]:
    """The tasks that have an annotation; the number of the others is logged."""
    empty = []
    for position, task in enumerate(tasks):
        named = f", id {shown(task['id'])}" if isinstance(task, dict) and "id" in task else ""
        where = f"{file}, task {position} (from 0{named})"
        try:
            data, annotations = fields(task, "the task", data=dict, annotations=list)
            given = [each for each in annotations if not (isinstance(each, dict) and each.get("was_cancelled"))]
            if not given:
                empty.append(shown(task.get("id", position)))
                continue
            name = _image_file(data, image_dir)
            entry = {"file": name, **_graph(_chosen(given)["result"], image_size(image_dir / name))}
        except UserError as error:
            yield where, error
        else:
            yield where, entry
    if empty:
        examples = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        logger.warning("%s: %d tasks without an annotation are left out: id %s", file, len(empty), examples)


def _chosen(annotations: list[Any]) -> dict[str, Any]:
    """The one annotation of a task, or the one that is marked as ground truth."""
    for position, annotation in enumerate(annotations):
        fields(annotation, f"annotations[{position}]", result=list)
    marked = [annotation for annotation in annotations if annotation.get("ground_truth")]
    chosen = marked or annotations
    if len(chosen) > 1:
        what = "marked as ground truth" if marked else "and none is marked as ground truth"
        raise UserError(
            f"has {len(chosen)} annotations {what}; mark the one to use in Label Studio, or delete the others"
        )
    return chosen[0]


def _image_file(data: dict[str, Any], image_dir: Path) -> str:
    """The picture's file relative to image_dir, however Label Studio was given it: uploaded, local, or by URL."""
    texts = [value for value in data.values() if isinstance(value, str)]
    value = data.get("image", texts[0] if len(texts) == 1 else None)
    if not isinstance(value, str):
        raise UserError(f"data has no 'image' with the picture's name, found {shown(data)}")
    try:
        url = urlsplit(value)
    except ValueError as error:
        raise UserError(f"the picture {shown(value)} is neither a path nor a URL ({error})") from error
    path = parse_qs(url.query).get("d", [unquote(url.path)])[0]
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    if parts and _UPLOAD.match(parts[-1]):
        tails.append(_UPLOAD.sub("", parts[-1], count=1))
    for tail in tails:
        if os.path.isfile(image_dir / tail):  # also where the name is none that a file can have
            return tail
    raise UserError(
        f"the picture {shown(value)} is not in {image_dir}; looked for {', '.join(tails[-2:]) or 'nothing'}"
    )


def _graph(results: list[Any], size: tuple[int, int]) -> dict[str, list[Any]]:
    """Objects and relations of one annotation's results, boxes in pixels of a picture of this size."""
    rows: dict[str, int] = {}
    objects: list[dict[str, Any]] = []
    relations, choices = [], []
    for position, result in enumerate(results):
        where = f"result[{position}]"
        (kind,) = fields(result, where, type=TEXT)
        if kind in _RECTANGLES:
            identifier, value = fields(result, where, id=TEXT, value=dict)
            if identifier in rows:
                raise UserError(f"{where}: the id {shown(identifier)} is there twice")
            rows[identifier] = len(objects)
            objects.append({"box": _box(result, value, where, size), "label": _label(value, kind, where)})
        elif kind == "relation":
            relations.append((where, result))
        elif kind == "choices":
            choices.append((where, result))
        elif kind not in _ASIDE:
            raise UserError(f"{where}: is of type {shown(kind)}; objects must be rectangles with a label")
    for where, result in choices:
        row = rows.get(result["id"]) if isinstance(result.get("id"), str) else None
        if row is not None:  # of a rectangle; else of the whole picture
            (names,) = fields(fields(result, where, value=dict)[0], f"{where}, value", choices=list)
            objects[row].setdefault("attributes", []).extend(names)
    triplets = [triplet for where, result in relations for triplet in _relations(result, where, rows)]
    return {"objects": objects, "relations": triplets}


def _label(value: dict[str, Any], kind: str, where: str) -> Any:
    (labels,) = fields(value, f"{where}, value", **{kind: list})
    if len(labels) != 1:
        raise UserError(f"{where}: a rectangle must have one label, found {shown(labels)}")
    return labels[0]


def _box(result: dict[str, Any], value: dict[str, Any], where: str, size: tuple[int, int]) -> list[float]:
    x, y, width, height = fields(value, f"{where}, value", x=NUMBER, y=NUMBER, width=NUMBER, height=NUMBER)
    if value.get("rotation"):
        raise UserError(f"{where}: the rectangle is turned by {shown(value['rotation'])} degrees; draw it upright")
    if result.get("image_rotation"):
        raise UserError(
            f"{where}: was drawn on the picture turned by {shown(result['image_rotation'])} degrees; boxes are wanted"
            " in the picture as it stands upright"
        )
    drawn = {key: value for key, value in result.items() if value is not None}
    shape = fields(drawn, where, original_width=NUMBER, original_height=NUMBER) if "original_width" in drawn else size
    if 50 * abs(shape[0] * size[1] - shape[1] * size[0]) > shape[0] * size[1]:
        raise UserError(
            f"{where}: was drawn on a picture of {shown(shape[0])} x {shown(shape[1])}, but the file is"
            f" {size[0]} x {size[1]} as it stands upright; it is another picture, or one that is turned"
        )
    horizontal, vertical = size[0] / 100, size[1] / 100
    return box_from_sides(x * horizontal, y * vertical, width * horizontal, height * vertical)


def _relations(result: dict[str, Any], where: str, rows: dict[str, int]) -> Iterator[list[Any]]:
    """[subject row, predicate, object row] of a relation, for each of its labels."""
    ends = fields(result, where, from_id=TEXT, to_id=TEXT)
    for end in ends:
        if end not in rows:
            raise UserError(f"{where}: the relation's end {shown(end)} is no rectangle of this annotation")
    labels = result.get("labels") or []
    if not isinstance(labels, list) or not labels:
        raise UserError(f"{where}: the relation has no label; its label is the predicate")
    direction = result.get("direction", "right")
    if direction not in ("right", "left", "bi"):
        raise UserError(f"{where}: 'direction' must be right, left or bi, found {shown(direction)}")
    subject, object_ = (rows[end] for end in ends)
    for label in labels:
        if direction in ("right", "bi"):
            yield [subject, label, object_]
        if direction in ("left", "bi"):
            yield [object_, label, subject]
