"""
The plain list of own annotations: {"file", "objects": [{"box": [x1, y1, x2, y2], "label", "attributes"?}], "relations":
[[subject, predicate, object], ...], "split"?, "image_id"?} for each image, boxes in pixels, subject and object as
positions in "objects" from 0. Every other form of annotations is read into it.
"""

from typing import Any

from maskrcnn_benchmark.data.custom.vocabulary import Vocabulary
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.data.datasets.vg_layout import MAX_ATTRIBUTES
from maskrcnn_benchmark.data.image_ids import image_file_name, image_number
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.data.names import clean_name
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import is_number, shown

_FARTHEST = 2**20  # of a coordinate from 0: scaled up, it still is a number of the files
# What is read of an entry and of an object.
ENTRY_KEYS, OBJECT_KEYS = {"file", "objects", "relations", "split", "image_id"}, {"box", "label", "attributes"}


# An image as a file gives it: file and entry for messages; the plain form, not looked at yet, or what kept a reader
# from bringing the image into it.
Given = tuple[str, Any]


def box_from_sides(x: float, y: float, width: float, height: float) -> list[float]:
    """[x1, y1, x2, y2] with x2 = x + width - 1, the last pixel, as COCO's boxes are read here."""
    return [x, y, x + width - 1, y + height - 1]


def clean_entry(entry: Any, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """An entry with its names in their one spelling. UserError that says what is wrong with its form."""
    given = entry if isinstance(entry, dict) else {}
    if not isinstance(given.get("file"), str) or not isinstance(given.get("objects"), list):
        raise UserError('expected an object with "file" (text) and "objects" (list)')
    name = image_file_name(entry["file"], '"file"', copied=True)
    if entry.get("split") is not None and (not isinstance(entry["split"], str) or entry["split"] not in SPLITS):
        raise UserError(f'"split" must be one of {", ".join(SPLITS)}, found {shown(entry["split"])}')
    relations = [] if entry.get("relations") is None else entry["relations"]
    if not isinstance(relations, list):
        raise UserError('"relations" must be a list')
    objects = [_clean_object(item, f"object {row}", vocabulary) for row, item in enumerate(entry["objects"])]
    count = len(objects)
    triplets = [_clean_relation(item, f"relation {row}", count, vocabulary) for row, item in enumerate(relations)]
    own = {} if entry.get("image_id") is None else {"image_id": image_number(entry["image_id"], '"image_id"')}
    return {**entry, **own, "file": name, "objects": objects, "relations": triplets}


def _clean_object(item: Any, where: str, vocabulary: Vocabulary | None) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        raise UserError(f'{where}: expected an object with "box" and "label" (text), found {shown(item)}')
    box = item.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise UserError(f'{where}: "box" must be [x1, y1, x2, y2], found {shown(box)}')
    if max(map(abs, box)) > _FARTHEST:
        raise UserError(f'{where}: "box" must be of numbers up to {_FARTHEST}, found {shown(box)}')
    if box[2] <= box[0] or box[3] <= box[1]:
        raise UserError(f'{where}: "box" must have x2 > x1 and y2 > y1, found {box}')
    if max(box) <= 1:
        raise UserError(f'{where}: "box" must be in pixels, not in parts of the image, found {box}')
    attributes = [] if item.get("attributes") is None else item["attributes"]
    if not isinstance(attributes, list) or len(attributes) > MAX_ATTRIBUTES:
        raise UserError(
            f'{where}: "attributes" must be a list of at most {MAX_ATTRIBUTES} names, found {shown(attributes)}'
        )
    known = (None, None) if vocabulary is None else (vocabulary.objects, vocabulary.attributes)
    label = _clean_word(item["label"], f'{where}, "label"', known[0])
    words = [_clean_word(name, f'{where}, "attributes"', known[1]) for name in attributes]
    return {**item, "label": label, "attributes": words}


def _clean_relation(relation: Any, where: str, objects: int, vocabulary: Vocabulary | None) -> list[Any]:
    if not isinstance(relation, list) or len(relation) != 3 or not isinstance(relation[1], str):
        raise UserError(
            f"{where}: expected [subject, predicate, object] with the predicate as text, found {shown(relation)}"
        )
    for end in (relation[0], relation[2]):
        if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < objects:
            raise UserError(
                f"{where}: subject and object must be positions from 0 to {objects - 1}, found {shown(relation)}"
            )
    predicate = _clean_word(relation[1], f"{where}, predicate", None if vocabulary is None else vocabulary.predicates)
    return [relation[0], predicate, relation[2]]


def _clean_word(value: Any, where: str, known: list[str] | None) -> str:
    """A name in its one spelling, which must be one of `known`, if there are any, and not the background's."""
    name = clean_name(value, where)
    if name == BACKGROUND:
        raise UserError(f"{where}: {BACKGROUND} is the name of class 0 and can be no other's")
    if known is not None and name not in known:
        raise UserError(f"{where}: '{name}' is not in the vocabulary")
    return name


def check_inside(entry: dict[str, Any], size: tuple[int, int]) -> None:
    for row, item in enumerate(entry["objects"]):
        x1, y1, x2, y2 = item["box"]
        if x1 >= size[0] - 1 or y1 >= size[1] - 1 or x2 <= 0 or y2 <= 0:
            raise UserError(f"object {row}: box {item['box']} lies outside the image, which is {size[0]} x {size[1]}")
