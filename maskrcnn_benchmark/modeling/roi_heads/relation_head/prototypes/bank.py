"""
Files of prototypes: a vector per predicate, written by tools/extract_visual_prototypes.py and
tools/extract_conceptual_prototypes.py.

A file is `torch.save` of a tensor (K, V), in single or half precision, as published; or of a dict {"prototypes": such a
tensor, "predicates": names, "counts": examples behind each row, "source": text}, as ours; or of a dict from predicate
name or index to a vector. K counts the background, row 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.untrusted import shown
from maskrcnn_benchmark.utils.weight_files import read_file


@dataclass(frozen=True, kw_only=True)
class PrototypeSource:
    """Where the config names a prototype file and its width, and the tool that writes such files."""

    key: str
    path: str
    dim_key: str
    dim: int
    tool: str

    def error(self, problem: str, cure: str = "") -> UserError:
        """The error that `problem` is: with key, file and what to do."""
        return UserError(f"{self.key} {self.path}: {problem}; {cure or 'make it anew with'} {self.tool}")


def write_prototypes(path: str | Path, bank: Tensor, predicates: Sequence[str], *, counts: Tensor, source: str) -> None:
    """
    Writes a prototype file, whole or not at all.

    Args:
        bank: (K, V). predicates: K names, background first. counts: (K,) examples behind each row. source: where the
            rows come from, in words.
    """
    if len(bank) != len(predicates) or len(counts) != len(predicates):
        raise ValueError(
            f"write_prototypes: {len(bank)} rows and {len(counts)} counts for {len(predicates)} predicates"
        )
    content = {
        "prototypes": bank.float().cpu(),
        "predicates": list(predicates),
        "counts": counts.cpu(),
        "source": source,
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def read_prototypes(source: PrototypeSource, predicates: Sequence[str]) -> Tensor:
    """
    Reads the prototypes of a data set's predicates.

    Args:
        predicates: K names, background first.
    Returns:
        The bank (K, V) float32.
    Raises:
        UserError: no such file, a file that holds more than tensors and plain values, rows that are no vectors, another
            width, a missing predicate, another data set's names, rows that are not finite.
    """
    content = _load(source)
    if isinstance(content, dict) and "prototypes" in content:
        _check_names(source, content.get("predicates"), predicates)
        content = content["prototypes"]
    elif isinstance(content, dict):
        content = _stack_named_rows(source, content, predicates)
    if not isinstance(content, Tensor):
        raise source.error(f"expected a tensor or a dict of vectors, found {type(content).__name__}")
    return _check_bank(source, content, len(predicates))


def _load(source: PrototypeSource) -> Any:
    if not Path(source.path).is_file():
        raise source.error("no such file", "make it with")
    try:
        return read_file(source.path)
    except UserError as error:
        raise UserError(f"{source.key}: {error}; {source.tool} makes such files") from error


def _check_names(source: PrototypeSource, names: Any, predicates: Sequence[str]) -> None:
    if names is None:
        return
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise source.error(f"its predicates must be a list of names, found {shown(names)}")
    names, wanted = list(names), list(predicates)
    missing = [n for n in wanted if n not in set(names)]
    if missing:
        raise source.error(
            f"has no row for {some(missing)}; its predicates are those of another data set ({some(names)})"
        )
    if names != wanted:
        raise source.error(
            f"its predicates are others, or in another order: found {some(names)}, expected {some(wanted)}"
        )


def _stack_named_rows(source: PrototypeSource, rows: dict, predicates: Sequence[str]) -> Tensor:
    """A dict from name or index to vector, as a matrix in the data set's order."""
    by_index = not any(name in rows for name in predicates)
    found, missing = [], []
    for index, name in enumerate(predicates):
        keys = [key for key in ((index, str(index)) if by_index else (name,)) if key in rows]
        if keys:
            found.append(_vector(source, keys[0], rows[keys[0]]))
        else:
            missing.append(name)
    if missing:
        raise source.error(f"has no row for {some(missing)}; its entries are {some([str(k) for k in rows])}")
    if by_index and len(rows) != len(predicates):  # the indices of another data set begin alike
        raise source.error(f"expected {len(predicates)} rows by index, the background's first, found {len(rows)}")
    widths = sorted({len(row) for row in found})
    if len(widths) > 1:
        raise source.error(f"its rows have different widths: {widths}")
    return torch.stack(found)


def _vector(source: PrototypeSource, key: str | int, row: Any) -> Tensor:
    try:
        return torch.as_tensor(row).reshape(-1).float()
    except (TypeError, ValueError, RuntimeError) as error:
        raise source.error(f"the row of '{key}' is no vector but {type(row).__name__}") from error


def _check_bank(source: PrototypeSource, bank: Tensor, num_predicates: int) -> Tensor:
    if bank.dim() != 2 or len(bank) != num_predicates:
        raise source.error(
            f"expected {num_predicates} rows, the background's first, found a tensor {tuple(bank.shape)}"
        )
    if bank.size(1) != source.dim:
        raise source.error(
            f"prototypes are {bank.size(1)} wide, {source.dim_key} is {source.dim}", "set the key, or rerun"
        )
    if not bank.is_floating_point():
        raise source.error(f"expected numbers in single or half precision, found {bank.dtype}")
    if not torch.isfinite(bank).all():
        raise source.error("holds numbers that are not finite")
    return bank.detach().float()  # published rows may have been saved with their gradient's flag
