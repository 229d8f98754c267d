"""Looks image files over."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maskrcnn_benchmark.data.check.report import ERROR, NOTE, Report
from maskrcnn_benchmark.data.datasets.source import AnnotationSource
from maskrcnn_benchmark.data.image_files import ImageFileError, image_size, read_image
from maskrcnn_benchmark.utils.progress import progress

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def check_images(report: Report, sources: list[AnnotationSource], folder: Path, *, thorough: bool) -> None:
    """
    Adds missing, extra, damaged and wrongly sized image files.

    Args:
        folder: of the images.
        thorough: decode every image.
    """
    if not folder.is_dir():
        report.add(ERROR, f"there is no folder of images {folder}; nothing was compared with them")
        return
    sizes = {source.file_name(i): tuple(source.sizes[i].tolist()) for source in sources for i in range(len(source.image_ids))}
    present = set(_files(folder))
    report.add(ERROR, "images whose file is missing", sorted(sizes.keys() - present))
    report.add(NOTE, "image files that the annotations do not name", sorted(present - sizes.keys()))
    names = sorted(sizes.keys() & present)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = pool.map(lambda name: _outcome(folder / name, thorough), names)
        found = dict(zip(names, progress(outcomes, total=len(names), desc="images", unit="image"), strict=True))
    report.add(ERROR, "image files that are truncated or do not decode", [name for name in names if isinstance(found[name], str)])
    differing = [name for name in names if not isinstance(found[name], str) and found[name] != sizes[name]]
    lines = [f"{name} is {'x'.join(map(str, found[name]))}, annotated {'x'.join(map(str, sizes[name]))}" for name in differing]
    report.add(ERROR, "images of another size than annotated", lines)


def _files(folder: Path) -> Iterable[str]:
    """All files below a folder, relative to it."""
    for parent, _, names in os.walk(folder):
        inside = os.path.relpath(parent, folder)
        yield from (name if inside == "." else os.path.join(inside, name) for name in names)


def _outcome(path: Path, thorough: bool) -> tuple[int, int] | str:
    """(width, height), or what is wrong."""
    try:
        if thorough:
            image = read_image(path)
            return image.size(2), image.size(1)
        if _cut_short(path):
            return "truncated"
        return image_size(path)
    except ImageFileError as error:
        return str(error)


def _cut_short(path: Path) -> bool:
    """Whether a file begins as a JPEG and does not end as one (some bytes of padding allowed)."""
    with open(path, "rb") as file:
        if file.read(2) != _JPEG_START:
            return False
        file.seek(max(os.path.getsize(path) - 64, 2))
        return _JPEG_END not in file.read()
