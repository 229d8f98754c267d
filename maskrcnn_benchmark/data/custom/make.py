"""Your own annotations to the VG layout."""

import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.data.custom.plain import ENTRY_KEYS, OBJECT_KEYS, Given, check_inside, clean_entry
from maskrcnn_benchmark.data.custom.readers import read_annotations
from maskrcnn_benchmark.data.custom.split import draw_splits, split_sizes
from maskrcnn_benchmark.data.custom.vocabulary import Vocabulary
from maskrcnn_benchmark.data.datasets.catalog import RESERVED_NAMES
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.data.datasets.vg_layout import IMAGE_DIR, write_vg_layout
from maskrcnn_benchmark.data.image_files import image_size
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.files import write_json
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.untrusted import fields, read_json, shown

logger = get_logger(__name__)

# Says that a folder was made here, and which splits were drawn.
MARK = "make_dataset.json"
_SHOWN = 50  # bad entries that are listed


def make_dataset(
    sources: Sequence[str | Path],
    image_dir: str | Path,
    folder: str | Path,
    *,
    relations: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
    val: float | None = None,
    test: float | None = None,
    seed: int = 0,
    skip_bad: bool = False,
) -> dict[str, int]:
    """
    Writes a data set in the VG layout from annotations and a folder of images. Names that differ by blanks or Unicode
    form are one.

    Args:
        sources: files and folders of annotations, in any form of readers.py; several are joined.
        image_dir: where the images lie.
        folder: where to write; images are hard links where the file system allows it, else copies.
        relations: CSV of relations between YOLO's boxes; None: relations.csv beside them, if there is one.
        vocabulary: names and their order; None: those that occur, by frequency.
        val, test: shares of the images without a split of their own, drawn by `seed`; None: see split_sizes. Made again
            with the same shares and seed, images keep their splits and new ones are shared out.
        skip_bad: leave bad entries out; False: nothing is written if there is any.
    Returns:
        Numbers of images by split, boxes, relations, objects, predicates, attributes and bad entries.
    Raises:
        UserError: bad entries (each is logged with its reason), no entry at all, a folder whose name could not be found
            again, or one that holds other things.
    """
    image_dir, folder = Path(image_dir), Path(folder)
    check_folder_name(folder)
    split_sizes(1, val, test)
    settings = {"val": val, "test": test, "seed": seed}
    drawn = _drawn_before(folder, settings)
    given = (each for source in sources for each in read_annotations(Path(source), image_dir, relations))
    good, problems = _checked(given, image_dir, vocabulary)
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
        raise UserError(f"{', '.join(map(str, sources))}: no usable entry")
    vocabulary = vocabulary or Vocabulary.from_entries(good)
    ids = vocabulary.ids()
    images = [_image(entry, ids, number) for entry, number in zip(good, _image_ids(good), strict=True)]
    free = [entry for entry in good if not entry.get("split")]
    names = [entry["file"] for entry in free]
    words = [{predicate for _, predicate, _ in entry["relations"]} for entry in free]
    drawn = dict(zip(names, draw_splits(names, words, drawn, **settings), strict=True))
    for entry, image in zip(good, images, strict=True):
        image["split"] = entry.get("split") or drawn[entry["file"]]
    write_json(folder / MARK, {"made_by": "tools/make_dataset.py", **settings, "splits": drawn})
    for image in progress(images, desc="images", unit="image"):
        _place(image_dir / image["file_name"], folder / IMAGE_DIR / image["file_name"])
    write_vg_layout(folder, images, vocabulary.objects, vocabulary.predicates, vocabulary.attributes)
    counts = Counter(image["split"] for image in images)
    return {
        "images": len(images),
        **{f"for {split}": counts[split] for split in SPLITS},
        "boxes": sum(len(image["boxes"]) for image in images),
        "relations": sum(len(image["relations"]) for image in images),
        "objects": len(vocabulary.objects),
        "predicates": len(vocabulary.predicates),
        "attributes": len(vocabulary.attributes),
        "bad entries": len(problems),
    }


def check_folder_name(folder: str | Path) -> None:
    """UserError unless a data set in this folder can be named in DATASETS.TRAIN: the folder's name with _train."""
    name = str(folder) if "\0" in str(folder) else Path(folder).resolve().name
    if not re.fullmatch(r"\w[\w.-]*", name) or name.rpartition("_")[2] in SPLITS:
        raise UserError(
            f"folder {folder}: its name is the data set's, so it must be of letters, digits, '_', '-' and '.', and not"
            f" end in _train, _val or _test; found {name!r}"
        )
    if name in RESERVED_NAMES:
        raise UserError(
            f"folder {folder}: {name} is the name of another data set (DATASET.md lists them); take another name"
        )


def environment(folder: str | Path) -> str:
    """What a command line must begin with to find the data set in this folder; empty where it lies in DATA_DIR."""
    parent = Path(folder).resolve().parent
    return "" if parent == data_dir().resolve() else f"DATA_DIR={shlex.quote(str(parent))} "


def _drawn_before(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """Image -> split as drawn when the folder was made with the same settings. UserError if it was not made here."""
    mark = folder / MARK
    if not mark.exists():
        # Hidden files are no content; what a killed run left of the mark is one, too.
        held = sorted(path.name for path in folder.glob("[!.]*")) if folder.is_dir() else []
        if held or (folder.exists() and not folder.is_dir()):
            raise UserError(
                f"folder {folder}: was not made by this tool (it has no {MARK}) and holds"
                f" {', '.join(held[:3]) or 'a file'}{', ...' if len(held) > 3 else ''}; nothing was written. Name a new"
                " folder, or remove that one"
            )
        return {}
    cure = f"remove {mark} to have all splits drawn anew"
    content = read_json(mark, dict, cure)
    (splits,) = fields(content, str(mark), splits=dict)
    odd = [split for split in splits.values() if split not in SPLITS]
    if odd:
        raise UserError(f"{mark}: a split must be one of {', '.join(SPLITS)}, found {shown(odd[0])}; mend it")
    return splits if {key: content.get(key) for key in settings} == settings else {}


def _checked(
    entries: Iterable[Given], image_dir: Path, vocabulary: Vocabulary | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The usable entries, with "size" added, and a line for each other."""
    good, problems, seen, unread = [], [], set(), Counter()
    for where, entry in progress(entries, desc="checking", unit="image"):
        try:
            if isinstance(entry, UserError):
                raise entry
            clean = clean_entry(entry, vocabulary)
            if clean["file"] in seen:
                raise UserError(f"'{clean['file']}' was given before")
            size = image_size(image_dir / clean["file"])
            check_inside(clean, size)
        except UserError as error:
            name = entry.get("file") if isinstance(entry, dict) else None
            problems.append(f"{where}{f', {shown(name)}' if isinstance(name, str) else ''}: {error}")
        else:
            seen.add(clean["file"])
            unread.update(clean.keys() - ENTRY_KEYS)
            unread.update(key for item in clean["objects"] for key in item.keys() - OBJECT_KEYS)
            good.append({**clean, "size": size})
    if unread:
        logger.warning("keys that are not read: %s", some([shown(key) for key in unread], quoted=False))
    return good, problems


def _image_ids(entries: Sequence[dict[str, Any]]) -> Sequence[int]:
    """The annotations' own ids of the images, if every image has one of its own; else positions from 1."""
    own = [entry["image_id"] for entry in entries if entry.get("image_id") is not None]
    if len(set(own)) == len(entries):
        return own
    if own:
        logger.warning(
            "the annotations' ids of images are not kept, for %d of %d images have one, %d of them differ: image_id"
            " counts from 1 in image_data.json",
            len(own), len(entries), len(set(own)),
        )  # fmt: skip
    return range(1, len(entries) + 1)


def _image(entry: dict[str, Any], ids: tuple[dict[str, int], ...], image_id: int) -> dict[str, Any]:
    """An entry as write_vg_layout takes it, without its split."""
    object_id, predicate_id, attribute_id = ids
    objects, (width, height) = entry["objects"], entry["size"]
    return {
        "image_id": image_id,
        "file_name": entry["file"],
        "width": width,
        "height": height,
        "boxes": [item["box"] for item in objects],
        "labels": [object_id[item["label"]] for item in objects],
        "attributes": [[attribute_id[name] for name in item["attributes"]] for item in objects],
        "relations": [(subject, object_, predicate_id[word]) for subject, word, object_ in entry["relations"]],
    }


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if os.path.samefile(source, target):
            return
        target.unlink()
    try:
        os.link(os.path.realpath(source), target)  # a link to a relative link would lead nowhere
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
