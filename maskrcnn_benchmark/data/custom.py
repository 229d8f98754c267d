"""
Your own annotations to the VG layout.

The input is one JSON list or several: {"file", "objects": [{"box": [x1, y1, x2, y2], "label", "attributes"?}],
"relations": [[subject, predicate, object], ...], "split"?}, boxes in pixels, subject and object as positions in
"objects" from 0.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.data.datasets.catalog import RESERVED_NAMES
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, MAX_ATTRIBUTES, write_vg_layout
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.data.image_ids import check_file_name
from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.data.names import clean_name, vocabulary
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.seeding import numpy_generator
from maskrcnn_benchmark.utils.untrusted import fields, is_number, read_json, shown

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
        """
        From a JSON object with the lists objects, predicates and, if there are any, attributes. UserError for what is
        no vocabulary.
        """
        content = read_json(path, dict)
        lists = fields(
            content | {"attributes": content.get("attributes") or []},
            str(path),
            objects=list,
            predicates=list,
            attributes=list,
        )
        kinds = zip(("objects", "predicates", "attributes"), lists, strict=True)
        return cls(*(list(vocabulary(names, f"{path}, {kind}")[1:]) for kind, names in kinds))

    @classmethod
    def from_entries(cls, entries: Iterable[dict[str, Any]]) -> "Vocabulary":
        """All names that occur, the most frequent first, equally frequent ones by the alphabet."""
        objects, predicates, attributes = Counter(), Counter(), Counter()
        for entry in entries:
            objects.update(item["label"] for item in entry["objects"])
            attributes.update(name for item in entry["objects"] for name in item.get("attributes", ()))
            predicates.update(predicate for _, predicate, _ in entry.get("relations", ()))
        return cls(
            *(sorted(counts, key=lambda name: (-counts[name], name)) for counts in (objects, predicates, attributes))
        )

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
    Writes a data set in the VG layout from JSON lists and a folder of images. Names that differ by blanks or Unicode
    form are one.

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
        UserError: bad entries (each is logged with its reason), no entry at all, or a folder whose name could not be
            found again.
    """
    check_folder_name(folder)
    if min(val, test) < 0 or val + test >= 1:
        raise UserError(
            f"the shares for val and test must be at least 0 and leave something to train on, found {val} and {test}"
        )
    image_dir, folder = Path(image_dir), Path(folder)
    good, problems = _checked(_read(files), image_dir, vocabulary)
    for problem in problems[:_SHOWN]:
        logger.error(problem)
    if len(problems) > _SHOWN:
        logger.error("... and %d more", len(problems) - _SHOWN)
    if problems and not skip_bad:
        raise UserError(
            f"{len(problems)} bad entries, listed above; nothing was written. Mend them, or leave them out with"
            " --skip-bad"
        )
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


def check_folder_name(folder: str | Path) -> None:
    """
    UserError unless DATASETS.TRAIN can name the data set in this folder, by the folder's name with _train behind it.
    """
    name = Path(folder).resolve().name
    if not re.fullmatch(r"\w[\w.-]*", name) or name.rpartition("_")[2] in SPLITS:
        raise UserError(
            f"folder {folder}: its name is the data set's, so it must be of letters, digits, '_', '-' and '.', and not"
            f" end in _train, _val or _test; found {name!r}"
        )
    if name in RESERVED_NAMES:
        raise UserError(
            f"folder {folder}: {name} is the name of another data set (DATASET.md lists them); take another name"
        )


def _read(files: Sequence[str | Path]) -> list[tuple[str, Any]]:
    """All entries with the words that name them."""
    return [
        (f"{file}, entry {position} (from 0)", entry)
        for file in files
        for position, entry in enumerate(read_json(file, list))
    ]


def _checked(
    entries: list[tuple[str, Any]], image_dir: Path, vocabulary: Vocabulary | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The usable entries, with "size" added, and a line for each other."""
    good, problems, seen = [], [], set()
    for where, entry in progress(entries, desc="checking", unit="image"):
        try:
            clean = _clean_entry(entry, vocabulary)
            place = os.path.normpath(clean["file"])
            if place in seen:
                raise UserError(f"'{clean['file']}' was given before")
            size = image_size(image_dir / clean["file"])
            _check_inside(clean, size)
        except UserError as error:
            name = entry.get("file") if isinstance(entry, dict) else None
            problems.append(f"{where}{f', {shown(name)}' if isinstance(name, str) else ''}: {error}")
        else:
            seen.add(place)
            good.append({**clean, "size": size})
    return good, problems


def _clean_entry(entry: Any, vocabulary: Vocabulary | None) -> dict[str, Any]:
    """An entry with its names in their one spelling. UserError that says what is wrong with its form."""
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("file"), str)
        or not isinstance(entry.get("objects"), list)
    ):
        raise UserError('expected an object with "file" (text) and "objects" (list)')
    check_file_name(entry["file"], '"file"', copied=True)
    if entry.get("split") is not None and (not isinstance(entry["split"], str) or entry["split"] not in SPLITS):
        raise UserError(f'"split" must be one of {", ".join(SPLITS)}, found {shown(entry["split"])}')
    relations = entry.get("relations") or []
    if not isinstance(relations, list):
        raise UserError('"relations" must be a list')
    objects = [_clean_object(item, f"object {row}", vocabulary) for row, item in enumerate(entry["objects"])]
    triplets = [
        _clean_relation(item, f"relation {row}", len(objects), vocabulary) for row, item in enumerate(relations)
    ]
    return {**entry, "objects": objects, "relations": triplets}


def _clean_object(item: Any, where: str, vocabulary: Vocabulary | None) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        raise UserError(f'{where}: expected an object with "box" and "label" (text), found {shown(item)}')
    box = item.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise UserError(f'{where}: "box" must be [x1, y1, x2, y2], found {shown(box)}')
    if box[2] <= box[0] or box[3] <= box[1]:
        raise UserError(f'{where}: "box" must have x2 > x1 and y2 > y1, found {box}')
    if max(box) <= 1:
        raise UserError(f'{where}: "box" must be in pixels, not in parts of the image, found {box}')
    attributes = item.get("attributes") or []
    if not isinstance(attributes, list) or len(attributes) > MAX_ATTRIBUTES:
        raise UserError(
            f'{where}: "attributes" must be a list of at most {MAX_ATTRIBUTES} names, found {shown(attributes)}'
        )
    known = (None, None) if vocabulary is None else (vocabulary.objects, vocabulary.attributes)
    label = _clean_word(item["label"], f'{where}, "label"', known[0])
    return {
        **item,
        "label": label,
        "attributes": [_clean_word(name, f'{where}, "attributes"', known[1]) for name in attributes],
    }


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


def _check_inside(entry: dict[str, Any], size: tuple[int, int]) -> None:
    for row, item in enumerate(entry["objects"]):
        x1, y1, x2, y2 = item["box"]
        if x1 >= size[0] - 1 or y1 >= size[1] - 1 or x2 <= 0 or y2 <= 0:
            raise UserError(f"object {row}: box {item['box']} lies outside the image, which is {size[0]} x {size[1]}")


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
        "relations": [
            (subject, object_, predicate_id[predicate]) for subject, predicate, object_ in entry.get("relations", ())
        ],
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
