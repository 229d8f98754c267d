"""Looks image files over."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maskrcnn_benchmark.data.check.report import Report
from maskrcnn_benchmark.data.datasets.source import AnnotationSource
from maskrcnn_benchmark.data.findings import ERROR, NOTE, WARNING
from maskrcnn_benchmark.data.image_files import ImageFileError, ImageHeader, image_header, read_image
from maskrcnn_benchmark.utils.progress import progress

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA


def check_images(report: Report, sources: list[AnnotationSource], folder: Path, *, thorough: bool) -> None:
    """
    Adds missing, extra, damaged, turned and wrongly sized image files.

    Args:
        folder: of the images.
        thorough: decode every image.
    """
    if not folder.is_dir():
        report.add(ERROR, f"there is no folder of images {folder}; nothing was compared with them")
        return
    sizes = {
        source.file_name(i): tuple(source.sizes[i].tolist()) for source in sources for i in range(len(source.image_ids))
    }
    present = set(_files(folder))
    # Linked folders are not walked through.
    present.update(name for name in sizes.keys() - present if (folder / name).is_file())
    report.add(ERROR, "images whose file is missing", sorted(sizes.keys() - present))
    extra = [name for name in sorted(present - sizes.keys()) if not Path(name).name.startswith(".")]
    report.add(NOTE, "image files that the annotations do not name", extra)
    names = sorted(sizes.keys() & present)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = pool.map(lambda name: _outcome(folder / name, thorough), names)
        found = dict(zip(names, progress(outcomes, total=len(names), desc="images", unit="image"), strict=True))
    damaged = [name for name in names if isinstance(found[name], str)]
    report.add(ERROR, "image files that are truncated or do not decode", damaged)
    headers = {name: found[name] for name in names if isinstance(found[name], ImageHeader)}
    turned = [name for name, header in headers.items() if header.orientation != 1]
    stored = [name for name in turned if headers[name].size != sizes[name] == headers[name].stored]
    upright = sorted(set(turned) - set(stored))
    report.add(NOTE, "images that their EXIF orientation turns or mirrors; they are read upright", upright)
    report.add(WARNING, "images with an EXIF orientation that are annotated as stored, and are read so", stored)
    several = [name for name, header in headers.items() if header.frames > 1]
    report.add(NOTE, "images of several frames, of which the first is read", several)
    differing = [name for name, header in headers.items() if header.size != sizes[name] and name not in set(stored)]
    lines = [
        f"{name} is {'x'.join(map(str, headers[name].size))}, annotated {'x'.join(map(str, sizes[name]))}"
        for name in differing
    ]
    report.add(ERROR, "images of another size than annotated", lines)


def _files(folder: Path) -> Iterable[str]:
    """All files below a folder, relative to it."""
    for parent, _, names in os.walk(folder):
        inside = os.path.relpath(parent, folder)
        yield from (name if inside == "." else os.path.join(inside, name) for name in names)


def _outcome(path: Path, thorough: bool) -> ImageHeader | str:
    """The header, or what is wrong."""
    try:
        header = image_header(path)
        if thorough:
            read_image(path)
        elif _cut_short(path):
            return "truncated"
        return header
    except ImageFileError as error:
        return str(error)


def _cut_short(path: Path) -> bool:
    """Whether a file begins as a JPEG whose picture has no end; films and pictures behind the end are no damage."""
    with open(path, "rb") as file:
        if file.read(2) != _JPEG_START:
            return False
        file.seek(max(os.path.getsize(path) - 64, 2))
        if _JPEG_END in file.read():
            return False
        file.seek(0)
        data = file.read()
    return data.find(_JPEG_END, _first_scan(data)) < 0


def _first_scan(data: bytes) -> int:
    """Where a JPEG's first scan begins, found segment by segment: previews inside them have ends of their own."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _JPEG_SCAN:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return min(place, len(data))
