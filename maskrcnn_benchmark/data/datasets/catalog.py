"""Data sets by their names, as the formats of this folder's readers have them."""

import importlib
import pkgutil
from pathlib import Path, PurePath

from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.data import datasets
from maskrcnn_benchmark.data.datasets import visual_genome
from maskrcnn_benchmark.data.datasets.format import DatasetEntry, Format, Published
from maskrcnn_benchmark.data.datasets.source import SPLITS
from maskrcnn_benchmark.utils.errors import UserError

_BESIDE = [info.name for info in pkgutil.iter_modules(datasets.__path__) if info.name != "catalog"]
_MODULES = [importlib.import_module(f"{__package__}.{name}") for name in _BESIDE]
# The FORMAT of every module beside this one that has one.
FORMATS: tuple[Format, ...] = tuple(module.FORMAT for module in _MODULES if "FORMAT" in vars(module))
_PUBLISHED: dict[str, tuple[Format, Published]] = {
    published.stem: (each, published) for each in FORMATS for published in each.published
}
# The last word of a folder's name -> the data set that lies there; the first, where several share a folder.
_OF_FOLDER = {PurePath(each.folder).name: each for _, each in reversed(_PUBLISHED.values())}
FOLDER_NAMES = tuple(each.stem for _, each in _PUBLISHED.values() if each in _OF_FOLDER.values())
# Names and folders of the catalog's own, which no other data set can have.
RESERVED_NAMES = frozenset(
    part for stem, (_, each) in _PUBLISHED.items() for part in (stem, *PurePath(each.folder).parts)
)


def dataset_entry(name: str, root: Path | None = None) -> DatasetEntry:
    """
    The files of a data set by its name. Nothing is opened.

    Known are what the formats publish (`VG_stanford_filtered_with_attribute_*`, `GQA_200_*`, ...) and any folder of
    DATA_DIR that one of them takes for its own, by the folder's name; * is train, val or test.

    Args:
        root: folder of the data sets; None: data_dir().
    Raises:
        UserError: no such name and no such folder.
    """
    stem, _, split = name.rpartition("_")
    if split not in SPLITS or not stem or Path(stem).name != stem:
        raise UserError(f"data set '{name}': a name ends in _train, _val or _test; known: {_known_names()}")
    root = root or data_dir()
    if stem not in _PUBLISHED:
        found = _format_of_folder(name, root / stem)
        return DatasetEntry(name=name, format=found, split=split, files=found.files(root / stem, split))
    found, published = _PUBLISHED[stem]
    folder = root / published.folder
    if published.made_by and not folder.is_dir():
        raise UserError(f"data set '{name}': no folder {folder}; {published.made_by} makes it")
    files = (published.files or found.files)(folder, split)
    facts = {"num_val": published.num_val, "exclude_images": published.exclude_images}
    return DatasetEntry(name=name, format=found, split=split, files=files, **facts)


def names_file(name: str) -> Path | None:
    """The file that names a data set's classes, for messages; None of a data set that is not on this machine."""
    try:
        return dataset_entry(name).names_file
    except UserError:
        return None


def folder_entries(folder: Path) -> dict[str, DatasetEntry]:
    """Split -> entry of the data set that lies in a folder, wherever that is. UserError as dataset_entry."""
    folder = folder.resolve()
    published = _OF_FOLDER.get(folder.name)
    stem, depth = (published.stem, len(PurePath(published.folder).parts)) if published else (folder.name, 1)
    return {split: dataset_entry(f"{stem}_{split}", folder.parents[depth - 1]) for split in SPLITS}


def find_entries(target: str) -> dict[str, DatasetEntry]:
    """
    Split -> entry of what a user calls a data set.

    Args:
        target: a folder (`datasets/vg`), a data set's name (`scenes`, `GQA_200`) or that of one of its splits
            (`GQA_200_test`).
    Raises:
        UserError: there is no such data set.
    """
    if Path(target).is_dir():
        return folder_entries(Path(target))
    stem, _, split = target.rpartition("_")
    if split in SPLITS:
        return {split: dataset_entry(target)}
    if not target or "/" in target:
        raise UserError(f"{target}: no such folder")
    folder = data_dir() / target
    if folder.is_dir():
        return folder_entries(folder)
    return {split: dataset_entry(f"{target}_{split}") for split in SPLITS}


def _format_of_folder(name: str, folder: Path) -> Format:
    if not folder.is_dir():
        raise UserError(
            f"data set '{name}' is neither in the catalog nor a folder {folder}; known: {_known_names()}. "
            "The environment variable DATA_DIR names the folder of the data sets."
        )
    # A folder that none recognises is one in Visual Genome's layout whose files are missing, and errors name those.
    return next((each for each in FORMATS if each.is_own_folder(folder)), visual_genome.FORMAT)


def _known_names() -> str:
    root = data_dir()
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    other = [path for path in folders if path.name not in RESERVED_NAMES]
    own = [path.name for path in other if any(each.is_own_folder(path) for each in FORMATS)]
    return ", ".join(f"{stem}_*" for stem in (*_PUBLISHED, *own))
