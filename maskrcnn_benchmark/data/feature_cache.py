"""
Features of regions on disk: written once an image, mapped into memory, good for as long as what they were computed from
is unchanged.

A cache has a folder a data set, weights and settings (cache_folder), in it a folder a group of arrays, in that

    spec.json             of each array what a row stands for (ROWS), its shape and type
    <array>.<part>.bin    rows of the images in the order in which they were written
    journal.<part>.bin    three int64 an image: its id, the number n of its entities, the checksum of these two and of
    its rows

An image counts once the journal has it, which is written last: what a killed process leaves beyond the journal is cut
off. Each process of a run writes a part of its own. Rows are compared with their checksum when a process reads them for
the first time.
"""

import hashlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import write_json
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

# Rows of an image with n entities.
ROWS: dict[str, Callable[[int], int]] = {
    "entity": lambda n: n,
    "pair": lambda n: n * n,
    "unordered pair": lambda n: n * (n + 1) // 2,
}
# Part of every key: raise it when the files' layout or what they hold changes.
_VERSION = 2
# More in one image means that a journal is damaged.
_MOST_ENTITIES = 1 << 20
_RECORD = np.dtype([("image", np.int64), ("n", np.int64), ("checksum", np.int64)])


def cache_folder(
    root: str | Path, name: str, *, weights: str, files: Iterable[Path], settings: Mapping[str, Any]
) -> Path:
    """
    Where the features of a data set lie.

    Args:
        root: DATALOADER.FEATURE_CACHE. name: the data set's in the catalog.
        weights: digest of the weights that produce the features.
        files: annotations; they count by name, size and time of change.
        settings: plain values of the config that change features or boxes.
    """
    stats = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    text = json.dumps([_VERSION, weights, stats, settings], sort_keys=True, default=str)
    return Path(root) / f"{name}-{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"


class FeatureFiles:
    """
    One group of arrays: `files[image id]` is a dict of read-only arrays, views of the files.

    Args:
        folder: of the group; need not be there yet.
    Raises:
        UserError: the folder holds something else.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._places: dict[int, tuple[str, int, dict[str, int]]] = {}  # part, n, first row by kind of rows
        self._checksums: dict[int, int] = {}  # of the images that nobody has looked at yet
        self._held: dict[str, tuple[int, dict[str, int]]] = {}  # by part: whole images, their rows by kind
        self._maps: dict[tuple[str, str], np.ndarray] = {}
        self._spec: dict[str, dict[str, Any]] = {}
        spec = self.folder / "spec.json"
        if not spec.exists():
            return
        try:
            self._spec = json.loads(spec.read_text(encoding="utf-8"))
            for entry in self._spec.values():
                if entry["rows"] not in ROWS or any(type(side) is not int or side < 0 for side in entry["shape"]):
                    raise ValueError("rows of an unknown kind, or sides that are no whole numbers")
                _row_bytes(entry)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{spec}: not written by DATALOADER.FEATURE_CACHE ({error}); remove {self.folder}"
            ) from error
        for journal in sorted(self.folder.glob("journal.*.bin")):
            self._read_journal(journal.suffixes[-2][1:])

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, image_id: int) -> dict[str, np.ndarray]:
        part, n, first = self._places[image_id]
        arrays = {}
        for name, entry in self._spec.items():
            kind = entry["rows"]
            arrays[name] = self._map(name, part)[first[kind] : first[kind] + ROWS[kind](n)]
        checksum = self._checksums.pop(image_id, None)
        if checksum is not None and checksum != _checksum(image_id, n, arrays):
            said = f"the features of image {image_id} are damaged; remove the folder, they are made anew then"
            raise UserError(f"{self.folder}: {said}")
        return arrays

    def add(self, part: int, images: Sequence[tuple[int, int, Mapping[str, tuple[str, np.ndarray]]]]) -> None:
        """
        Appends images to a part, which no other process may write meanwhile.

        Args:
            images: of each its id, n, and by name what an array's rows stand for and the array.
        """
        if not images:
            return
        spec = {
            name: {"rows": kind, "shape": list(array.shape[1:]), "dtype": array.dtype.str}
            for name, (kind, array) in images[0][2].items()
        }
        if not self._spec:
            write_json(self.folder / "spec.json", spec)
            self._spec = spec
        elif spec != self._spec:
            raise UserError(f"{self.folder}: holds {self._spec}, to be written is {spec}; remove the folder")
        for name in spec:
            rows = b"".join(np.ascontiguousarray(arrays[name][1]) for _, _, arrays in images)
            self._append(self._array_file(name, str(part)), rows)
        plain = [(image, n, {name: arrays[name][1] for name in self._spec}) for image, n, arrays in images]
        records = [(image, n, _checksum(image, n, arrays)) for image, n, arrays in plain]
        self._append(self._journal_file(str(part)), np.array(records, dtype=_RECORD).tobytes())

    def cut(self, part: int) -> None:
        """Removes from the files of a part what a killed process left beyond the images that are whole."""
        images, rows = self._held.get(str(part), (0, dict.fromkeys(ROWS, 0)))
        for name, entry in self._spec.items():
            self._truncate(self._array_file(name, str(part)), rows[entry["rows"]] * _row_bytes(entry))
        self._truncate(self._journal_file(str(part)), _RECORD.itemsize * images)

    def _read_journal(self, part: str) -> None:
        """Takes the images of a part up to the first whose rows are not all there."""
        records = np.fromfile(self._journal_file(part), dtype=_RECORD)
        if ((records["n"] < 0) | (records["n"] > _MOST_ENTITIES)).any():
            raise UserError(
                f"{self._journal_file(part)} is damaged; remove {self.folder}, its features are made anew then"
            )
        ends = {kind: np.cumsum([rows(int(n)) for n in records["n"]], dtype=np.int64) for kind, rows in ROWS.items()}
        whole = len(records)
        for name, entry in self._spec.items():
            file = self._array_file(name, part)
            held = file.stat().st_size // _row_bytes(entry) if file.exists() else 0
            whole = min(whole, int(np.searchsorted(ends[entry["rows"]], held, side="right")))
        for i, (image_id, n, checksum) in enumerate(records[:whole].tolist()):
            first = {kind: int(end[i]) - ROWS[kind](n) for kind, end in ends.items()}
            self._places[image_id] = (part, n, first)
            self._checksums[image_id] = checksum
        self._held[part] = whole, {kind: int(end[whole - 1]) if whole else 0 for kind, end in ends.items()}

    def _map(self, name: str, part: str) -> np.ndarray:
        if (name, part) not in self._maps:
            entry, file = self._spec[name], self._array_file(name, part)
            rows = file.stat().st_size // _row_bytes(entry)
            shape, dtype = (rows, *entry["shape"]), np.dtype(entry["dtype"])
            whole = rows * _row_bytes(entry) > 0  # an empty file cannot be mapped
            self._maps[name, part] = (
                np.memmap(file, dtype=dtype, mode="r", shape=shape) if whole else np.zeros(shape, dtype=dtype)
            )
        return self._maps[name, part]

    def _array_file(self, name: str, part: str) -> Path:
        return self.folder / f"{name}.{part}.bin"

    def _journal_file(self, part: str) -> Path:
        return self.folder / f"journal.{part}.bin"

    @staticmethod
    def _append(path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _truncate(path: Path, size: int) -> None:
        if path.exists() and path.stat().st_size > size:
            os.truncate(path, size)


def _row_bytes(entry: Mapping[str, Any]) -> int:
    return max(np.dtype(entry["dtype"]).itemsize * math.prod(entry["shape"]), 1)


def _checksum(image_id: int, n: int, arrays: Mapping[str, np.ndarray]) -> int:
    found = zlib.crc32(np.array([image_id, n], dtype=np.int64).tobytes())
    for array in arrays.values():
        found = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8), found)
    return found


def to_half(array: np.ndarray, name: str) -> np.ndarray:
    """float16 of an array. UserError if a number is beyond it or not finite."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise UserError(
            f"DATALOADER.FEATURE_CACHE keeps float16, but {name} holds a number of size {np.abs(array).max():g}: "
            "are the weights of MODEL.WEIGHT trained ones? Without FEATURE_CACHE training goes on uncached"
        )
    return half
