"""
COCO's json with relations, as others of the field write it: a file a split, boxes x, y, width, height.

Relations stand either in the same file (`rel_annotations` with subject_id, object_id, predicate_id; `rel_categories`), as SGG-Benchmark
reads them, or in a `rel.json` beside it (split -> image id -> [subject, object, predicate] by position; `rel_categories`), as RelTR
and EGTR read them.
"""

from collections import defaultdict
from typing import Any

from maskrcnn_benchmark.config.paths_catalog import DatasetEntry
from maskrcnn_benchmark.data.datasets.records import ImageRecord, read_json, source_from_records
from maskrcnn_benchmark.data.datasets.source import SPLIT_MARKS, AnnotationSource, with_background
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.utils.errors import UserError

Relations = dict[int, list[tuple[int, int, int]]]


def read_entry(entry: DatasetEntry, statistics_only: bool) -> AnnotationSource:  # noqa: ARG001 (one signature for all readers)
    """
    The annotations of a catalog entry of kind "coco". Categories are numbered from 1 in the order of their ids.

    Raises:
        UserError: keys that are missing, or ids that point nowhere.
    """
    file = entry.files["annotations"]
    content = read_json(file, dict)
    try:
        label_of, objects = _numbered(content["categories"])
        annotations = defaultdict(list)
        for item in content["annotations"]:
            annotations[item["image_id"]].append(item)
        row_of = {item["id"]: row for items in annotations.values() for row, item in enumerate(items)}
        relations, predicates = _relations(entry, content, row_of)
        records = []
        for image in content["images"]:
            items = annotations[image["id"]]
            boxes = [_corners(item["bbox"]) for item in items]
            labels = [label_of[item["category_id"]] for item in items]
            size = image["width"], image["height"]
            records.append(ImageRecord(image["file_name"], *size, boxes, labels, relations.get(image["id"], []), SPLIT_MARKS[entry.split]))
    except UserError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: is not a COCO file with relations as expected ({type(error).__name__}: {error})") from error
    return source_from_records(file, records, objects=objects, predicates=predicates)


def _corners(box: list[float]) -> tuple[float, float, float, float]:
    """x, y, width, height -> inclusive corners (+1 convention)."""
    x, y, width, height = box
    return x, y, x + width - 1, y + height - 1


def _numbered(categories: list[Any]) -> tuple[dict[int, int], tuple[str, ...]]:
    """Id in the file -> number from 1, and the names, background first. `categories`: {"id", "name"} each, or names in the order of ids."""
    if categories and isinstance(categories[0], str):
        named = list(enumerate(categories))
    else:
        named = sorted((item["id"], item["name"]) for item in categories)
    named = [(number, name) for number, name in named if name != BACKGROUND]
    return {number: position for position, (number, _) in enumerate(named, start=1)}, with_background([name for _, name in named])


def _relations(entry: DatasetEntry, content: dict[str, Any], row_of: dict[int, int]) -> tuple[Relations, tuple[str, ...]]:
    """Relations by image id, predicates from 1, and the predicates' names, background first."""
    if "rel_annotations" in content:
        number_of, predicates = _numbered(content["rel_categories"])
        relations: Relations = defaultdict(list)
        for item in content["rel_annotations"]:
            ends = row_of[item["subject_id"]], row_of[item["object_id"]]
            relations[item["image_id"]].append((*ends, number_of[item["predicate_id"]]))
        return relations, predicates
    if "relations" not in entry.files:
        file = entry.files["annotations"]
        raise UserError(f"{file}: holds no rel_annotations, and there is no {file.with_name('rel.json')} beside it")
    tables = read_json(entry.files["relations"], dict)
    number_of, predicates = _numbered(tables["rel_categories"])
    return {
        int(image_id): [(subject, object_, number_of[predicate]) for subject, object_, predicate in triplets]
        for image_id, triplets in tables.get(entry.split, {}).items()
    }, predicates
