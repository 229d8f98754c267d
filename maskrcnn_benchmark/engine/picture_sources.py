"""The pictures that a command line names: files, folders, globs, frames of videos and webcams."""

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.untrusted import read_json, shown

logger = get_logger(__name__)

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
_FORM = (
    '{"photo.jpg": {"boxes": [[x1, y1, x2, y2], ...], "labels": ["cat", ...]}, ...}, labels for all images or for none'
)


@dataclass(frozen=True)
class Picture:
    """
    Attributes:
        name: the file's path; of a frame the source's with `#<number from 0>`.
        stem: of the files that are to be written.
        image: path of the file, (h, w, 3) uint8 RGB of a frame, or the error of a source that gives
            nothing.
    """

    name: str
    stem: str
    image: Path | np.ndarray | UserError


@dataclass(frozen=True)
class Frames:
    """Which frames of a video are taken: each `every`-th, at `most` so many of a source; None: all."""

    every: int = 1
    most: int | None = None


def find_sources(words: Sequence[str]) -> list[Path | int]:
    """
    Files and webcams behind the words of a command line, in their order; what a folder or glob holds, by name.

    A word is a file, a folder (its files, without hidden ones and subfolders), the number of a webcam, or a glob (`**`
    for subfolders). One that is none of them stays, as a file that is not there.
    """
    sources: list[Path | int] = []
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            sources += sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
        elif path.exists():
            sources.append(path)
        elif word.isascii() and word.isdigit():
            sources.append(int(word))
        else:
            matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
            sources += [match for match in matches if match.is_file()] or [path]
    return sources


def count_pictures(sources: Iterable[Path | int], frames: Frames) -> int | None:
    """How many pictures there will be; None where that is not known."""
    total = 0
    for source in sources:
        if not _is_film(source):
            total += 1
            continue
        known = 0
        if isinstance(source, Path):
            film = _open(source)
            known = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
            film.release()
        taken = -(-known // frames.every) if known > 0 else frames.most
        if taken is None:
            return None
        total += taken if frames.most is None else min(taken, frames.most)
    return total


def pictures(sources: Iterable[Path | int], frames: Frames) -> Iterator[Picture]:
    """All pictures of the sources; stems that repeat get a number (`photo`, `photo_2`)."""
    taken: set[str] = set()
    for source in sources:
        if not _is_film(source):
            yield Picture(str(source), _free(source.stem, taken), source)
            continue
        stem = _free(source.stem if isinstance(source, Path) else f"webcam{source}", taken)
        name, count = str(source) if isinstance(source, Path) else f"webcam {source}", 0
        for number, image in _frames(source, frames):
            count += 1
            yield Picture(f"{name}#{number}", _free(f"{stem}_{number:06d}", taken), image)
        if count == 0:
            there = isinstance(source, int) or source.exists()
            why = "cannot be opened, or gives no picture" if there else "no such file"
            yield Picture(name, stem, UserError(f"{'video ' if isinstance(source, Path) else ''}{name}: {why}"))


def read_given_boxes(file: str | Path) -> dict[str, dict[str, list]]:
    """
    Boxes of images, and perhaps their labels, from a JSON file by path or file name of an image.

    Raises:
        UserError: the file is missing, or of another form.
    """
    content = read_json(file, dict, f"expected {_FORM}")
    for name, entry in content.items():
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("boxes"), list)
            or not isinstance(entry.get("labels", []), list)
        ):
            raise UserError(f"{file}: its entry {shown(name)} is {shown(entry)}; expected {_FORM}")
    if not content or len({"labels" in entry for entry in content.values()}) > 1:
        raise UserError(
            f"{file}: {'some images have labels, some have none' if content else 'no image in it'}; expected {_FORM}"
        )
    return content


def require_joined(given: Mapping[str, Any], sources: Iterable[Path | int], file: str | Path) -> None:
    """UserError where an entry of read_given_boxes may be of several sources; a warning counts those of none."""
    images = {source for source in sources if not _is_film(source)}
    by_name = Counter(image.name for image in images if str(image) not in given)
    if twice := next((name for name in given if by_name[name] > 1), None):
        raise UserError(f"{file}: {by_name[twice]} of the pictures are called {shown(twice)}: name them by their paths")
    known = {str(image) for image in images} | by_name.keys()
    others = [name for name in given if name not in known and "#" not in name]  # frames are known when they come
    if others:
        logger.warning(f"{file}: {len(others)} entries are of no picture that was named: {some(others, 3)}")


def _is_film(source: Path | int) -> bool:
    return isinstance(source, int) or source.suffix.lower() in VIDEO_SUFFIXES


def _open(source: Path | int) -> cv2.VideoCapture:
    # What does not open is told in one line of ours.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(source if isinstance(source, int) else str(source))


def _frames(source: Path | int, frames: Frames) -> Iterator[tuple[int, np.ndarray]]:
    """(number, (h, w, 3) uint8 RGB) of the frames to be taken."""
    film = _open(source)
    try:
        number = taken = 0
        while (frames.most is None or taken < frames.most) and film.grab():
            if number % frames.every == 0:
                good, image = film.retrieve()
                if good:
                    taken += 1
                    yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        film.release()


def _free(stem: str, taken: set[str]) -> str:
    """The stem, numbered if it was given before; file systems that know no case count."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.casefold())
    return name
