"""
Files of prototypes: one vector a predicate, written by tools/extract_visual_prototypes.py and tools/extract_conceptual_prototypes.py.

A file is `torch.save` of a tensor (K, V), or (K − 1, V) without background; or of a dict {"prototypes": such a tensor, "predicates":
names, "counts": tensor, "features": "detector" | "relation" | "text", "source": text}; or of a dict from predicate name or index to a
vector. K counts the background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskrcnn_benchmark.data.meta import BACKGROUND
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.log import get_logger, warn_once

logger = get_logger(__name__)

FEATURE_SOURCES = ("detector", "relation", "text")


@dataclass(frozen=True, kw_only=True)
class PrototypeSource:
    """
    What a prototype file is to the config: the key and value that name it, the key of its width, the tool that writes such files, and
    what a file may say that its rows are (FEATURE_SOURCES).
    """

    key: str
    path: str
    dim_key: str
    dim: int
    tool: str
    features: tuple[str, ...] = FEATURE_SOURCES

    def error(self, problem: str, cure: str = "") -> UserError:
        """The error that `problem` is: with key, file and what to do."""
        return UserError(f"{self.key} {self.path}: {problem}; {cure or 'make it anew with'} {self.tool}")


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """A bank (K, V) float32, background first, and the space that it comes from, if the file tells."""

    bank: Tensor
    features: str | None = None


def write_prototypes(
    path: str | Path, bank: Tensor, predicates: Sequence[str], *, counts: Tensor, source: str, features: str | None = None
) -> None:
    """
    Writes a prototype file, whole or not at all.

    Args:
        bank: (K, V). predicates: K names, background first. counts: (K,) examples behind each row.
        source: where the rows come from, in words. features: detector, relation or text, if that is to be recorded.
    """
    if len(bank) != len(predicates) or features not in (None, *FEATURE_SOURCES):
        raise ValueError(f"write_prototypes: {len(bank)} rows for {len(predicates)} predicates, features '{features}' of {FEATURE_SOURCES}")
    content = {
        "prototypes": bank.float().cpu(),
        "predicates": list(predicates),
        "counts": counts.cpu(),
        **({} if features is None else {"features": features}),
        "source": source,
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def read_prototypes(source: PrototypeSource, predicates: Sequence[str]) -> Prototypes:
    """
    Reads the prototypes of a data set's predicates.

    Args:
        predicates: K names, background first.
    Returns:
        The bank; a background row that the file does not have is the mean of the others.
    Raises:
        UserError: no such file, a file that holds more than tensors and plain values, rows that are no vectors or of features that
            source.features does not have, another width, a missing predicate, another data set's names, rows that are not finite.
    """
    content = _load(source)
    features = None
    if isinstance(content, dict) and "prototypes" in content:
        features = content.get("features")
        if features is not None and features not in source.features:
            raise source.error(f"its rows are '{features}' features, expected {' or '.join(source.features)}")
        _check_names(source, content.get("predicates"), predicates)
        _warn_of_empty_rows(source, content.get("counts"), predicates)
        content = content["prototypes"]
    elif isinstance(content, dict):
        content = _stack_named_rows(source, content, predicates)
    if not isinstance(content, Tensor):
        raise source.error(f"expected a tensor or a dict of vectors, found {type(content).__name__}")
    return Prototypes(bank=_check_bank(source, content, len(predicates)), features=features)


def recorded_features(path: str | Path) -> str | None:
    """The space a prototype file says that its rows come from; None where there is no such file or no record."""
    if not Path(path).is_file():
        return None
    source = PrototypeSource(key="prototype file", path=str(path), dim_key="", dim=0, tool="tools/extract_visual_prototypes.py")
    content = _load(source)
    return content.get("features") if isinstance(content, dict) else None


def _load(source: PrototypeSource) -> Any:
    if not Path(source.path).is_file():
        raise source.error("no such file", "make it with")
    try:
        return torch.load(source.path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise source.error(f"not a prototype file that can be read without running code ({' '.join(str(error).split())[:160]})") from error


def _check_names(source: PrototypeSource, names: Sequence[str] | None, predicates: Sequence[str]) -> None:
    if names is None:
        return
    names = [n for n in names if n != BACKGROUND]
    wanted = list(predicates)[1:]
    missing = [n for n in wanted if n not in set(names)]
    if missing:
        raise source.error(f"has no row for {_some(missing)}; its predicates are those of another data set ({_some(names)})")
    if names != wanted:
        raise source.error(f"its predicates are others, or in another order: found {_some(names)}, expected {_some(wanted)}")


def _stack_named_rows(source: PrototypeSource, rows: dict, predicates: Sequence[str]) -> Tensor:
    """A dict from name or index to vector, as a matrix in the data set's order; the background's row is optional."""
    found, missing = [], []
    for index, name in enumerate(predicates):
        keys = [key for key in (name, index, str(index)) if key in rows]
        if keys:
            found.append(_vector(source, keys[0], rows[keys[0]]))
        elif index > 0:
            missing.append(name)
    if missing:
        raise source.error(f"has no row for {_some(missing)}; its entries are {_some([str(k) for k in rows])}")
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
    if bank.dim() != 2 or bank.size(0) not in (num_predicates, num_predicates - 1):
        rows = f"{num_predicates} rows, or {num_predicates - 1} without background"
        raise source.error(f"expected {rows}, found a tensor {tuple(bank.shape)}")
    if bank.size(1) != source.dim:
        raise source.error(f"prototypes are {bank.size(1)} wide, {source.dim_key} is {source.dim}", "set the key, or rerun")
    if not torch.isfinite(bank).all():
        raise source.error("holds numbers that are not finite")
    bank = bank.float()
    return bank if len(bank) == num_predicates else torch.cat([bank.mean(dim=0, keepdim=True), bank])


def _warn_of_empty_rows(source: PrototypeSource, counts: Any, predicates: Sequence[str]) -> None:
    counts = counts.tolist() if isinstance(counts, Tensor) else counts
    if not isinstance(counts, (list, tuple)) or len(counts) != len(predicates):
        return
    empty = [name for name, count in zip(list(predicates)[1:], counts[1:], strict=True) if count == 0]
    if empty:
        warn_once(logger, f"{source.key} {source.path}: no training example of {_some(empty)}; their prototype is the mean of all")


def _some(names: Sequence[str], limit: int = 6) -> str:
    shown = ", ".join(f"'{n}'" for n in list(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
