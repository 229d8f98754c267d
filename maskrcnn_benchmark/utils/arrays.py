"""The border that arrays from outside pass, of h5, npz, npy or JSON: size before memory is taken; the rest after."""

import errno
import math
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.limits import ALLOW_OUTSIDE, ARRAY_BYTES, outside_allowed
from maskrcnn_benchmark.utils.untrusted import is_number, is_whole, shown

_LARGEST = 2**53  # whole numbers up to here are exact as floats
# What damaged files make the libraries raise.
DAMAGE = (
    OSError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, MemoryError, NotImplementedError,
    RuntimeError, SyntaxError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class ArrayFile:
    """
    The arrays of an .npz file, read one by one: `with ArrayFile(path, "predictions p.npz") as file:
    file.read("boxes")`. `what` is the file in messages. UserError: no such file, no zip file, or one that has an array
    twice.
    """

    def __init__(self, path: str | Path, what: str) -> None:
        self.what = what
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise UserError(f"{what}: cannot be read as .npz ({why})") from error
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if not name.endswith("/")]
        twice = [name for name, times in Counter(self.names).items() if times > 1]
        if twice:
            raise UserError(f"{what}: array {twice[0]} is there twice; one of the two would be lost")

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(self, *error: Any) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def read(self, name: str) -> np.ndarray:
        """An array. UserError if it is missing, damaged, too large or made of Python objects."""
        if name not in self.names:
            raise UserError(f"{self.what}: no array {name}; found {', '.join(self.names[:12]) or 'none'}")
        with _named(f"{self.what}: array {name} is damaged"), self._zip.open(f"{name}.npy") as stream:
            return _read_npy(stream, f"{self.what}: array {name}")


@contextmanager
def _named(fault: str) -> Iterator[None]:
    """Turns what a damaged file makes the libraries raise into a UserError that says this."""
    try:
        yield
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(f"{fault} ({error})") from error


def map_npy(path: Path, what: str) -> np.ndarray:
    """An .npy file, mapped into memory and read where it is used. UserError if it is damaged."""
    with _named(f"{what}: {path.name} is damaged or no .npy file"):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def read_npy(path: Path, what: str) -> np.ndarray:
    """An .npy file. UserError if it is missing, damaged, too large or made of Python objects."""
    with _named(f"{what}: is damaged or no .npy file"), open(path, "rb") as stream:
        return _read_npy(stream, what)


def _read_npy(stream: IO[bytes], what: str) -> np.ndarray:
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise UserError(f"{what} holds Python objects, which are not read; store numbers or text")
    ARRAY_BYTES.check(math.prod(shape) * dtype.itemsize, what)
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):  # at the end a zip file compares its checksum
        raise UserError(f"{what} is damaged (more bytes than its header says)")
    return array


def read_h5(file: Path, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """
    Arrays of an HDF5 file. UserError: no such file, one that is locked or damaged; an array that is missing, no array,
    too large, or lies in another file.
    """
    if not file.exists():
        raise UserError(f"{file}: no such file; DATASET.md says where to get it")
    try:
        with h5py.File(file, "r") as content:
            missing = [key for key in required if content.get(key, getlink=True) is None]
            if missing:
                raise UserError(f"{file}: no array {', '.join(missing)}; found {', '.join(content) or 'none'}")
            present = [*required, *(key for key in optional if content.get(key, getlink=True) is not None)]
            for key in present:
                _check_dataset(content, key, file)
            return {key: content[key][()] for key in present}
    except UserError:
        raise
    except DAMAGE as error:
        if isinstance(error, OSError) and (
            error.errno in (errno.EAGAIN, errno.EACCES) or "unable to lock file" in str(error)
        ):
            raise UserError(
                f"{file}: is locked or may not be read: another program has it open for writing; wait until that is"
                " done, or, on a file system without locks, set the environment variable HDF5_USE_FILE_LOCKING=FALSE"
            ) from error
        raise UserError(f"{file}: is not a readable HDF5 file ({error}); fetch it again") from error


def _check_dataset(content: h5py.File, key: str, file: Path) -> None:
    where = f"{file}: '{key}'"
    allowed = outside_allowed()
    outside = f"{where} lies in another file, which is not opened; the environment variable {ALLOW_OUTSIDE}=1 allows it"
    if isinstance(content.get(key, getlink=True), h5py.ExternalLink) and not allowed:
        raise UserError(outside)
    dataset = content[key]
    if not isinstance(dataset, h5py.Dataset):
        raise UserError(f"{where} must be an array, found a {type(dataset).__name__.lower()}")
    if not allowed and (dataset.is_virtual or dataset.external or dataset.file.filename != content.filename):
        raise UserError(outside)
    if dataset.shape is None or dataset.dtype.hasobject:
        raise UserError(
            f"{where} must be an array of numbers, found {dataset.dtype if dataset.shape is not None else 'nothing'}"
        )
    ARRAY_BYTES.check(max(math.prod(dataset.shape), math.prod(dataset.chunks or (0,))) * dataset.dtype.itemsize, where)


def check_array(array: np.ndarray, where: str, columns: int | None = None, *, whole: bool = False) -> np.ndarray:
    """
    An array of numbers as (n,), or (n, columns).

    Args:
        array: (n,) or (n, 1) without `columns`.
        whole: the numbers must be whole; floats that are become int64.
    Raises:
        UserError: another shape or type, numbers that are not finite or have a fraction; `where` begins the message.
    """
    if columns is None and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != (1 if columns is None else 2) or (columns is not None and array.shape[1] != columns):
        raise UserError(f"{where} must be {'(n,)' if columns is None else f'(n, {columns})'}, found {array.shape}")
    wanted = "whole numbers" if whole else "finite numbers"
    if array.dtype.kind not in "iuf":
        raise UserError(f"{where} must hold {wanted}, found {array.dtype}")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        if array.size and array.max() > np.iinfo(np.int64).max:
            raise UserError(f"{where} must hold {wanted} below 2^63, found {array.max()}")
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array) if not whole else ~(np.abs(array) < 2**53) | (array != np.rint(array))
        if bad.any():
            place = np.argwhere(bad)[0]
            raise UserError(
                f"{where} must hold {wanted}, found {array[tuple(place)]} in row {place[0]} and {int(bad.sum()) - 1}"
                " more such"
            )
        return array.astype(np.int64) if whole else array
    return array


def refuse_unknown(names: Iterable[str], known: Sequence[str], what: str) -> None:
    """UserError where arrays or keys would not be read, such as those whose name has a slip."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"{what} {some(unknown)} is not known and would not be read; known are {', '.join(known)}")


def number_table(rows: Sequence[Any], width: int | None, *, whole: bool, where: Callable[[int], str]) -> np.ndarray:
    """
    Numbers of many rows, checked at once: (n, width) or (n,), int64 with `whole`, else float64.

    Args:
        rows: n lists of `width` numbers, or with width None n numbers.
        where: what to call row i in a message, field included, such as "train.json, annotations[3]: 'bbox'".
    Raises:
        UserError: a row that is no list of so many numbers, or numbers that are not finite or have a fraction.
    """
    shape = (len(rows),) if width is None else (len(rows), width)
    lists = width is None or (set(map(type, rows)) <= {list, tuple} and set(map(len, rows)) <= {width})
    flat = (rows if width is None else list(chain.from_iterable(rows))) if lists else []
    if lists and set(map(type, flat)) <= {int, float}:
        table: np.ndarray
        try:
            table = np.array(flat, dtype=np.float64).reshape(shape)
        except OverflowError:  # a whole number beyond any float
            table = np.full(1, np.inf)
        if np.isfinite(table).all() and not (
            whole and (np.abs(table) > _LARGEST).any() or whole and (table != np.rint(table)).any()
        ):
            return table.astype(np.int64) if whole else table
    bad = next(i for i, row in enumerate(rows) if not _is_row(row, width, whole))
    wanted = f"{'whole' if whole else 'finite'} number"
    expected = f"a {wanted}" if width is None else f"a list of {width} {wanted}s"
    raise UserError(f"{where(bad)} must be {expected}, found {shown(rows[bad])}")


def _is_row(row: Any, width: int | None, whole: bool) -> bool:
    if width is None:
        return is_whole(row) and abs(row) <= _LARGEST if whole else is_number(row)
    return isinstance(row, (list, tuple)) and len(row) == width and all(_is_row(value, None, whole) for value in row)
