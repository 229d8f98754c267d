"""
COCO's json with relations, as others of the field write it: one file per split, boxes x, y, width, height.

Relations stand either in the same file (`rel_annotations` with subject_id, object_id, predicate_id; `rel_categories`),
as SGG-Benchmark reads them, or in a `rel.json` beside it (split -> image id -> [subject, object, predicate] by
position; `rel_categories`), as RelTR and EGTR read them.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format
from maskrcnn_benchmark.data.datasets.records import ImageRecord, source_from_records
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS, SPLITS, AnnotationSource
from maskrcnn_benchmark.data.findings import WARNING, Finding, found
from maskrcnn_benchmark.data.image_ids import image_number, plain_id
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.data.names import clean_name, vocabulary
from maskrcnn_benchmark.utils.arrays import number_table
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import ANY, IDENTIFIER, TEXT, WHOLE, fields, read_json, shown

Relations = dict[int, list[tuple[int, int, int]]]
_SAID = 3  # examples of what is left out


@dataclass(frozen=True)
class _Objects:
    """Annotations by image number, in the order of the file, and where each id stands."""

    items: dict[int, list[dict[str, Any]]]
    # Id -> every (image, row) that has it. Files that were merged, or that number each image anew, have an id more than
    # once.
    places: dict[int | str, list[tuple[int, int]]]

    def row(self, annotation: int | str, image: int, where: str) -> int:
        """The row of an annotation among its image's. UserError if the image has none, or several, of this id."""
        rows = [row for place, row in self.places.get(annotation, ()) if place == image]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise UserError(f"{where}: {len(rows)} annotations of image {image} have the id {shown(annotation)}")
        others = sorted({place for place, _ in self.places.get(annotation, ())})
        why = f"it is a box of image {others[0]}" if others else "the file has no such annotation"
        raise UserError(f"{where}: annotation {shown(annotation)} is not one of image {image}: {why}")


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "coco". Categories are numbered from 1 in the order of their ids, images
    have the file's ids.

    Annotations and relations of images that the file does not have are left out with a count, as are boxes marked
    iscrowd or ignore.
    """
    file = entry.files["annotations"]
    content = read_json(file, dict)
    listed, annotations, categories = fields(content, str(file), images=list, annotations=list, categories=list)
    label_of, objects = _numbered(categories, f"{file}, categories")
    images = [
        fields(image, f"{file}, images[{i}]", id=IDENTIFIER, file_name=ANY, width=ANY, height=ANY)
        for i, image in enumerate(listed)
    ]
    numbers = [image_number(image[0], f"{file}, images[{i}]: its image id") for i, image in enumerate(images)]
    known, findings = set(numbers), []
    boxes = _objects(file, annotations, known, findings)
    relations, predicates = _relations(entry, content, boxes, known, findings)
    records = []
    for number, (_, name, width, height) in zip(numbers, images, strict=True):
        items = boxes.items.get(number, [])
        labels = [label_of.get(item["category_id"]) for item in items]
        if None in labels:
            _refuse_category(file, items[labels.index(None)], categories)
        found_boxes, found_relations = [item["bbox"] for item in items], relations.get(number, [])
        mark = SPLIT_MARKS[entry.split]
        records.append(ImageRecord(name, width, height, found_boxes, labels, found_relations, mark, number))
    source = source_from_records(file, records, objects=objects, predicates=predicates, widths=True, findings=findings)
    return _without_crowds(source, [item for number in numbers for item in boxes.items.get(number, [])])


def _objects(file: Path, annotations: list[Any], known: set[int], findings: list[Finding]) -> _Objects:
    """The annotations of images that the file has."""
    items: dict[int, list[dict[str, Any]]] = defaultdict(list)
    places: dict[int | str, list[tuple[int, int]]] = defaultdict(list)
    strangers = []
    for position, item in enumerate(annotations):
        where = f"{file}, annotations[{position}]"
        image_id, category, _ = fields(item, where, image_id=IDENTIFIER, category_id=WHOLE, bbox=ANY)
        image = image_number(image_id, f"{where}: its image id")
        if image not in known:
            strangers.append(f"{shown(item.get('id'))} of image {shown(image_id)}")
            continue
        identifier = item.get("id")
        if identifier is not None:
            identifier = fields(item, where, id=IDENTIFIER)[0]
            places[plain_id(identifier)].append((image, len(items[image])))
        left_out = any(_is_set(item, flag, where) for flag in ("iscrowd", "ignore"))
        items[image].append({**item, "category_id": category, "left_out": left_out})
    said = "annotations of images that the file does not have, left out"
    findings += found(WARNING, said, strangers[:_SAID], len(strangers))
    _check_boxes(file, items)
    return _Objects(items, places)


def _check_boxes(file: Path, items: dict[int, list[dict[str, Any]]]) -> None:
    rows = [(image, item) for image, each in items.items() for item in each]

    def where(row: int) -> str:
        image, item = rows[row]
        return f"{file}, annotation {shown(item.get('id'))} of image {image}: 'bbox'"

    number_table([item["bbox"] for _, item in rows], 4, whole=False, where=where)


def _is_set(item: dict[str, Any], flag: str, where: str) -> bool:
    """Whether an annotation has a flag, written as 0 and 1, or false and true, or not at all."""
    if item.get(flag) not in (None, 0, 1):
        raise UserError(f"{where} (id {shown(item.get('id'))}): '{flag}' must be 0 or 1, found {shown(item[flag])}")
    return bool(item.get(flag))


def _refuse_category(file: Path, item: dict[str, Any], categories: list[Any]) -> None:
    category = item["category_id"]
    why = f"category {category}, which 'categories' does not have"
    if any(isinstance(each, dict) and each.get("id") == category for each in categories):
        why = f"the category {BACKGROUND}, which is no object"
    raise UserError(f"{file}: annotation {shown(item.get('id'))} of image {shown(item['image_id'])} is of {why}")


def _numbered(categories: list[Any], where: str) -> tuple[dict[int, int], tuple[str, ...]]:
    """
    Id in the file -> number from 1, and the names, background first. `categories`: {"id", "name"} each, or names in the
    order of ids.
    """
    named = {}
    for position, item in enumerate(categories):
        if isinstance(item, str):
            number, name = position, item
        else:
            number, name = fields(item, f"{where}[{position}]", id=WHOLE, name=TEXT)
        if number in named:
            raise UserError(f"{where}: the id {number} is there twice, for {shown(named[number])} and {shown(name)}")
        named[number] = name
    numbers = [number for number in sorted(named) if clean_name(named[number], where) != BACKGROUND]
    names = vocabulary([named[number] for number in numbers], where)
    return {number: position for position, number in enumerate(numbers, start=1)}, names


def _relations(
    entry: DatasetEntry, content: dict[str, Any], boxes: _Objects, known: set[int], findings: list[Finding]
) -> tuple[Relations, tuple[str, ...]]:
    """Relations by image number, predicates from 1, and the predicates' names, background first."""
    file = entry.files["annotations"]
    if "rel_annotations" in content:
        return _relations_inside(file, content, boxes, known, findings)
    if "relations" not in entry.files:
        raise UserError(f"{file}: holds no rel_annotations, and there is no {file.with_name('rel.json')} beside it")
    return _relations_beside(entry.files["relations"], entry.split, known, findings)


def _relations_inside(
    file: Path, content: dict[str, Any], boxes: _Objects, known: set[int], findings: list[Finding]
) -> tuple[Relations, tuple[str, ...]]:
    items, categories = fields(content, str(file), rel_annotations=list, rel_categories=list)
    number_of, predicates = _numbered(categories, f"{file}, rel_categories")
    relations: Relations = defaultdict(list)
    strangers = []
    for position, item in enumerate(items):
        where = f"{file}, rel_annotations[{position}]"
        *ids, predicate = fields(item, where, subject_id=IDENTIFIER, object_id=IDENTIFIER, predicate_id=WHOLE)
        where += f" (id {shown(item['id'])})" if "id" in item else ""
        ends = [plain_id(each) for each in ids]
        own = item["image_id"] if "image_id" in item else _only_image(boxes, ends, where)
        image = image_number(own, f"{where}: its image id")
        if image not in known:
            strangers.append(f"{shown(item.get('id'))} of image {shown(item['image_id'])}")
            continue
        at = f"{where}, image {image}"
        if predicate not in number_of:
            raise UserError(f"{at}: predicate {predicate} is not in 'rel_categories', or the background")
        rows = [boxes.row(end, image, at) for end in ends]
        relations[image].append((*rows, number_of[predicate]))
    said = "relations of images that the file does not have, left out"
    findings += found(WARNING, said, strangers[:_SAID], len(strangers))
    return relations, predicates


def _only_image(boxes: _Objects, ends: list[int | str], where: str) -> int:
    """The image of a relation that does not say it: both ends' only one."""
    images = [{image for image, _ in boxes.places.get(end, ())} for end in ends]
    if images[0] != images[1] or len(images[0]) != 1:
        said = f"its ends {shown(ends[0])} and {shown(ends[1])} do not lie in one image alone"
        raise UserError(f"{where}: has no image_id, and {said}")
    return next(iter(images[0]))


def _relations_beside(
    file: Path, split: str, known: set[int], findings: list[Finding]
) -> tuple[Relations, tuple[str, ...]]:
    tables = read_json(file, dict)
    number_of, predicates = _numbered(fields(tables, str(file), rel_categories=list)[0], f"{file}, rel_categories")
    unknown = [key for key, value in tables.items() if isinstance(value, dict) and key not in SPLITS]
    if unknown:
        raise UserError(f"{file}: its splits must be named {', '.join(SPLITS)}, found {', '.join(map(shown, unknown))}")
    by_image = fields(tables, str(file), **{split: dict})[0] if split in tables else {}
    relations: Relations = {}
    strangers = []
    for image_id, triplets in by_image.items():
        where, image = f"{file}, {split}, image {shown(image_id)}", image_number(image_id)
        if image not in known:
            strangers.append(shown(image_id))
            continue
        if not isinstance(triplets, list):
            raise UserError(f"{where}: expected a list of [subject, object, predicate], found {shown(triplets)}")
        named = partial("{}: relation {}".format, where)
        table = number_table(triplets, 3, whole=True, where=named).tolist()
        bad = [predicate for _, _, predicate in table if predicate not in number_of]
        if bad:
            raise UserError(f"{where}: predicate {bad[0]} is not in 'rel_categories', or the background")
        if image in relations:
            raise UserError(f"{where}: the image is there twice")
        relations[image] = [(subject, object_, number_of[predicate]) for subject, object_, predicate in table]
    said = f"images of {file.name} that the annotations do not have, their relations left out"
    findings += found(WARNING, said, strangers[:_SAID], len(strangers))
    return relations, predicates


def _without_crowds(source: AnnotationSource, items: list[dict[str, Any]]) -> AnnotationSource:
    """Without the boxes (items, one per box) of a crowd or to be ignored, as COCO's own evaluation has it."""
    left_out = np.array([item["left_out"] for item in items], dtype=bool)
    if not left_out.any():
        return source
    kept = source.annotations.keep_boxes(~left_out)
    relations = len(source.annotations.relations) - len(kept.relations)
    said = f"boxes marked iscrowd or ignore, left out with {relations} relations"
    names = [f"annotation {shown(items[row].get('id'))}" for row in np.flatnonzero(left_out)[:_SAID]]
    findings = (*source.findings, *found(WARNING, said, names, int(left_out.sum())))
    return replace(source, annotations=kept, findings=findings)


def _files(folder: Path, split: str) -> dict[str, Path]:
    files = {"images": folder / "images", "annotations": folder / f"{split}.json"}
    return {**files, "relations": folder / "rel.json"} if (folder / "rel.json").exists() else files


def _is_own_folder(folder: Path) -> bool:
    # A folder in Visual Genome's layout may hold json files of these names besides.
    return not (folder / "image_data.json").exists() and any((folder / f"{split}.json").exists() for split in SPLITS)


FORMAT = Format(name="coco", files=_files, read=read_entry, is_own_folder=_is_own_folder)
