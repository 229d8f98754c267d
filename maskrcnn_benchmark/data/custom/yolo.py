"""
YOLO's boxes: a text file beside each image's name, a line "class x y width height" a box, centre and size in parts of
the image; names of classes in classes.txt or in data.yaml. YOLO has no relations: they stand in a CSV file with the
columns file, subject, predicate, object, ends by their lines in the text file, from 0.
"""

import csv
import math
import posixpath
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config.yaml_text import read_yaml
from maskrcnn_benchmark.data.custom.plain import Given, box_from_sides
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.data.names import vocabulary
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.untrusted import shown

_NAMES = ("classes.txt", "data.yaml", "data.yml")
_COLUMNS = ("file", "subject", "predicate", "object")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def read_yolo(folder: Path, image_dir: Path, relations: Path | None = None) -> Iterator[Given]:
    """
    The images of all text files under a folder, or under its `labels`; train, val or test as their first folder is
    their split.

    Raises:
        UserError: no names of classes, no text files, or a CSV file that is not of the form above.
    """
    names = _class_names(folder)
    labels = folder / "labels" if (folder / "labels").is_dir() else folder
    images = _images(image_dir)
    files = sorted(file for file in labels.rglob("[!.]*.txt") if file.name != "classes.txt")
    if not files:
        raise UserError(f"{labels}: no text files of boxes; YOLO has one for each image")
    keys = {file: file.relative_to(labels).with_suffix("").as_posix() for file in files}
    table = relations or (folder / "relations.csv" if (folder / "relations.csv").exists() else None)
    related = _relations(table, set(keys.values())) if table else {}
    for file, key in keys.items():
        try:
            entry = _entry(file, key, names, images, image_dir)
            entry["relations"] = related.get(key, [])
        except UserError as error:
            yield str(file), UserError(str(error).removeprefix(f"{file}: "))
        else:
            yield str(file), entry


def _entry(
    file: Path, key: str, names: dict[int, str], images: dict[str, list[str]], image_dir: Path
) -> dict[str, Any]:
    if key not in images:
        raise UserError(f"{image_dir} has no image {key} with one of the endings {', '.join(_SUFFIXES)}")
    if len(images[key]) > 1:
        raise UserError(f"{image_dir} has several images of that name: {some(images[key])}")
    image = images[key][0]
    width, height = image_size(image_dir / image)
    objects = []
    for number, line in enumerate(_lines(file)):
        where = f"line {number} (from 0)"
        try:
            category, *values = map(float, line.split())
        except ValueError as error:
            raise UserError(f"{where}: expected numbers, found {shown(line)}") from error
        if len(values) != 4:
            raise UserError(f"{where}: expected class, x, y, width and height, found {len(values) + 1} numbers")
        if category not in names:
            raise UserError(f"{where}: class {category:g} has no name; there are names for {len(names)} classes")
        if not all(math.isfinite(value) and -1 <= value <= 2 for value in values):
            raise UserError(f"{where}: x, y, width and height are parts of the image, from 0 to 1, found {shown(line)}")
        x, y, w, h = values
        box = box_from_sides((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
        objects.append({"box": box, "label": names[int(category)]})
    first = key.partition("/")[0]
    return {"file": image, "objects": objects, "split": first if "/" in key and first in SPLITS else None}


def _lines(file: Path) -> list[str]:
    """The lines of a file, which count by their numbers: blank ones are at its end alone."""
    try:
        text = file.read_text("utf-8-sig").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as UTF-8 text ({error})") from error
    lines = text.split("\n") if text else []
    blank = [number for number, line in enumerate(lines) if not line.strip()]
    if blank:
        raise UserError(f"{file}: line {blank[0]} (from 0) is blank, but lines are known by their numbers; remove it")
    return lines


def _images(image_dir: Path) -> dict[str, list[str]]:
    """Name without ending -> names with one, relative to the folder."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(image_dir.rglob("[!.]*")):
        if path.suffix.lower() in _SUFFIXES:
            name = path.relative_to(image_dir).as_posix()
            found[name.removesuffix(path.suffix)].append(name)
    return found


def _class_names(folder: Path) -> dict[int, str]:
    """Class -> name."""
    file = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{folder}: has no {' or '.join(_NAMES[:2])} with the names of the classes")
    names = _lines(file) if file.suffix == ".txt" else read_yaml(file).get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(key, int) for key in names):
        raise UserError(f"{file}: 'names' must list the names of the classes, found {shown(names)}")
    return dict(zip(names, vocabulary(list(names.values()), str(file))[1:], strict=True))


def _relations(file: Path, known: set[str]) -> dict[str, list[list[Any]]]:
    """Image -> its relations, ends not looked at yet."""
    relations: dict[str, list[list[Any]]] = defaultdict(list)
    try:
        with open(file, newline="", encoding="utf-8-sig") as text:
            table = csv.DictReader(text)
            if sorted(column for column in table.fieldnames or () if column in _COLUMNS) != sorted(_COLUMNS):
                raise UserError(f"{file}: its first line must name {', '.join(_COLUMNS)}, found {table.fieldnames}")
            for row in table:
                where = f"{file}, line {table.line_num}"
                name = (row["file"] or "").strip()
                key = name if name in known else posixpath.normpath(posixpath.splitext(name)[0])
                if key not in known:
                    raise UserError(f"{where}: there is no text file of boxes for {shown(name)}")
                ends = [(row[column] or "").strip() for column in ("subject", "object")]
                if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
                    raise UserError(
                        f"{where}: subject and object are lines of the text file from 0, found {shown(ends)}"
                    )
                if None in row:
                    raise UserError(f"{where}: has more cells than the first line; quote texts with a comma")
                relations[key].append([int(ends[0]), row["predicate"], int(ends[1])])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: cannot be read as CSV ({error})") from error
    return relations
