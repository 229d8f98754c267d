"""
Your own annotations to the VG layout.

The input is one JSON list or several: {"file", "objects": [{"box": [x1, y1, x2, y2], "label", "attributes"?}],
"relations": [[subject, predicate, object], ...], "split"?}, boxes in pixels, subject and object as positions in "objects" from 0.
"""

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.data.datasets.records import read_json
from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, MAX_ATTRIBUTES, SPLITS, write_vg_layout
from maskrcnn_benchmark.data.image_files import ImageFileError, image_size
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.seeding import numpy_generator

logger = get_logger(__name__)

_SHOWN = 50  # bad entries that are listed


@dataclass(frozen=True)
class Vocabulary:
    """Names in the order of their ids, which start at 1. An empty list of `attributes` is legal."""

    objects: list[str]
    predicates: list[str]
    attributes: list[str] = field(default_factory=list)

    @classmethod
    def from_file(cls, path: str | Path) -> "Vocabulary":
        """From a JSON object with the lists objects, predicates and, if there are any, attributes."""
        content = read_json(path, dict)
        for key in ("objects", "predicates"):
            if not isinstance(content.get(key), list):
                raise UserError(f"{path}: expected the lists objects and predicates, found {', '.join(content) or 'nothing'}")
        return cls(content["objects"], content["predicates"], content.get("attributes", []))

    @classmethod
    def from_entries(cls, entries: Iterable[dict[str, Any]]) -> "Vocabulary":
        """All names that occur, the most frequent first, equally frequent ones by the alphabet."""
        objects, predicates, attributes = Counter(), Counter(), Counter()
        for entry in entries:
            objects.update(item["label"] for item in entry["objects"])
            attributes.update(name for item in entry["objects"] for name in item.get("attributes", ()))
            predicates.update(predicate for _, predicate, _ in entry.get("relations", ()))
        return cls(*(sorted(counts, key=lambda name: (-counts[name], name)) for counts in (objects, predicates, attributes)))

    def ids(self) -> tuple[dict[str, int], ...]:
        """Name -> id from 1, for objects, predicates and attributes."""
        kinds = (self.objects, self.predicates, self.attributes)
        return tuple({name: number for number, name in enumerate(names, start=1)} for names in kinds)


def make_dataset(
    files: Sequence[str | Path],
    image_dir: str | Path,
    folder: str | Path,
    *,
    vocabulary: Vocabulary | None = None,
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    skip_bad: bool = False,
) -> dict[str, int]:
    """
    Writes a data set in the VG layout from JSON lists and a folder of images.

    Args:
        files: the lists; several are joined.
        image_dir: what "file" is relative to.
        folder: where to write; images are hard links where the file system allows it, else copies.
        vocabulary: names and their order; None: those that occur, by frequency.
        val, test: shares of the images without a "split" that are drawn for each, by `seed`.
        skip_bad: leave bad entries out; False: nothing is written if there is any.
    Returns:
        Numbers of images, boxes, relations, objects, predicates, attributes and bad entries.
    Raises:
        UserError: bad entries (each is logged with its reason), or no entry at all.
    """
    if min(val, test) < 0 or val + test >= 1:
        raise UserError(f"the shares for val and test must be at least 0 and leave something to train on, found {val} and {test}")
    image_dir, folder = Path(image_dir), Path(folder)
    good, problems = _checked(_read(files), image_dir, vocabulary)
    for problem in problems[:_SHOWN]:
        logger.error(problem)
    if len(problems) > _SHOWN:
        logger.error("... and %d more", len(problems) - _SHOWN)
    if problems and not skip_bad:
        raise UserError(f"{len(problems)} bad entries, listed above; nothing was written. Mend them, or leave them out with --skip-bad")
    if not good:
        raise UserError(f"{', '.join(map(str, files))}: no usable entry")
    vocabulary = vocabulary or Vocabulary.from_entries(good)
    ids = vocabulary.ids()
    images = [_image(entry, ids, position) for position, entry in enumerate(good)]
    for entry, image in zip(good, images, strict=True):
        image["split"] = entry.get("split") or _drawn_split(entry["file"], val, test, seed)
    for image in progress(images, desc="images", unit="image"):
        _place(image_dir / image["file_name"], folder / IMAGE_DIR / image["file_name"])
    write_vg_layout(folder, images, vocabulary.objects, vocabulary.predicates, vocabulary.attributes)
    return {
        "images": len(images),
        "boxes": sum(len(image["boxes"]) for image in images),
        "relations": sum(len(image["relations"]) for image in images),
        "objects": len(vocabulary.objects),
        "predicates": len(vocabulary.predicates),
        "attributes": len(vocabulary.attributes),
        "bad entries": len(problems),
    }


def _read(files: Sequence[str | Path]) -> list[tuple[str, Any]]:
    """All entries with the words that name them."""
    return [(f"{file}, entry {position} (from 0)", entry) for file in files for position, entry in enumerate(read_json(file, list))]


def _checked(
    entries: list[tuple[str, Any]], image_dir: Path, vocabulary: Vocabulary | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The usable entries, with "size" added, and a line for each other."""
    good, problems, seen = [], [], set()
    for where, entry in progress(entries, desc="checking", unit="image"):
        problem = _problem(entry, vocabulary)
        if problem is None and entry["file"] in seen:
            problem = f"'{entry['file']}' was given before"
        if problem is None:
            try:
                size = image_size(image_dir / entry["file"])
                problem = _outside(entry, size)
            except ImageFileError as error:
                problem = str(error)
        if problem is None:
            seen.add(entry["file"])
            good.append({**entry, "size": size})
        else:
            name = entry.get("file") if isinstance(entry, dict) else None
            problems.append(f"{where}{f', {name}' if isinstance(name, str) else ''}: {problem}")
    return good, problems


def _problem(entry: Any, vocabulary: Vocabulary | None) -> str | None:
    """What is wrong with an entry's form, if anything."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str) or not isinstance(entry.get("objects"), list):
        return 'expected an object with "file" (text) and "objects" (list)'
    path = Path(entry["file"])
    if path.is_absolute() or ".." in path.parts:
        return '"file" must be relative to the folder of images and stay in it'
    if entry.get("split") not in (None, *SPLITS):
        return f'"split" must be one of {", ".join(SPLITS)}, found {entry["split"]!r}'
    for row, item in enumerate(entry["objects"]):
        problem = _object_problem(item, vocabulary)
        if problem:
            return f"object {row}: {problem}"
    relations = entry.get("relations", [])
    if not isinstance(relations, list):
        return '"relations" must be a list'
    for row, relation in enumerate(relations):
        problem = _relation_problem(relation, len(entry["objects"]), vocabulary)
        if problem:
            return f"relation {row}: {problem}"
    return None


def _object_problem(item: Any, vocabulary: Vocabulary | None) -> str | None:
    if not isinstance(item, dict) or not _is_name(item.get("label")):
        return 'expected an object with "box" and "label" (text)'
    box = item.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return f'"box" must be [x1, y1, x2, y2], found {box}'
    if box[2] <= box[0] or box[3] <= box[1]:
        return f'"box" must have x2 > x1 and y2 > y1, found {box}'
    attributes = item.get("attributes", [])
    if not isinstance(attributes, list) or len(attributes) > MAX_ATTRIBUTES or not all(map(_is_name, attributes)):
        return f'"attributes" must be a list of at most {MAX_ATTRIBUTES} names, found {attributes}'
    if vocabulary is not None and item["label"] not in vocabulary.objects:
        return f"label '{item['label']}' is not in the vocabulary"
    unknown = [name for name in attributes if vocabulary is not None and name not in vocabulary.attributes]
    return f"attribute '{unknown[0]}' is not in the vocabulary" if unknown else None


def _relation_problem(relation: Any, objects: int, vocabulary: Vocabulary | None) -> str | None:
    if not isinstance(relation, list) or len(relation) != 3 or not _is_name(relation[1]):
        return f"expected [subject, predicate, object] with the predicate as text, found {relation}"
    for end in (relation[0], relation[2]):
        if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < objects:
            return f"subject and object must be positions from 0 to {objects - 1}, found {relation}"
    if vocabulary is not None and relation[1] not in vocabulary.predicates:
        return f"predicate '{relation[1]}' is not in the vocabulary"
    return None


def _outside(entry: dict[str, Any], size: tuple[int, int]) -> str | None:
    for row, item in enumerate(entry["objects"]):
        x1, y1, x2, y2 = item["box"]
        if x1 >= size[0] - 1 or y1 >= size[1] - 1 or x2 <= 0 or y2 <= 0:
            return f"object {row}: box {item['box']} lies outside the image, which is {size[0]} x {size[1]}"
    return None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _image(entry: dict[str, Any], ids: tuple[dict[str, int], ...], position: int) -> dict[str, Any]:
    """An entry as write_vg_layout takes it, without its split."""
    object_id, predicate_id, attribute_id = ids
    objects = entry["objects"]
    width, height = entry["size"]
    return {
        "image_id": position + 1,
        "file_name": entry["file"],
        "width": width,
        "height": height,
        "boxes": [item["box"] for item in objects],
        "labels": [object_id[item["label"]] for item in objects],
        "attributes": [[attribute_id[name] for name in item.get("attributes", ())] for item in objects],
        "relations": [(subject, object_, predicate_id[predicate]) for subject, predicate, object_ in entry.get("relations", ())],
    }


def _drawn_split(name: str, val: float, test: float, seed: int) -> str:
    """A split that depends on the file's name and the seed alone, so that images added later do not move the others."""
    drawn = numpy_generator(seed, *name.encode()).random()
    return "test" if drawn < test else "val" if drawn < test + val else "train"


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if os.path.samefile(source, target):
            return
        target.unlink()
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
