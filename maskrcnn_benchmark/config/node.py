"""The configuration tree: a yacs CfgNode that takes older spellings and explains what it cannot take."""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from maskrcnn_benchmark.config.removed import REMOVED
from maskrcnn_benchmark.config.values import coerce
from maskrcnn_benchmark.config.yaml_text import read_yaml
from maskrcnn_benchmark.utils.errors import UserError

logger = logging.getLogger(__name__)

# Sections and keys of older code bases that full dumps of their runs hold: other tasks' heads, paths, apex.
IGNORED = (
    "MODEL.MASK_ON", "MODEL.KEYPOINT_ON", "MODEL.RETINANET_ON", "MODEL.ROI_MASK_HEAD", "MODEL.ROI_KEYPOINT_HEAD",
    "MODEL.RETINANET", "MODEL.FBNET", "PATHS_CATALOG", "PATHS_DATA", "AMP_VERBOSE",
)  # fmt: skip
# The published commands write this section with and without its parent's name.
ALIASED, ALIAS_PARENT = "ROI_RELATION_HEAD", "MODEL"
BASE = "_BASE_"
_NOTHING = object()


class Config(CfgNode):
    """A node of the configuration. Merging converts values to the type of those they replace; faults are UserErrors."""

    def merge_from_file(self, cfg_filename: str | Path) -> None:
        """Merges a YAML file, after the file or files that its `_BASE_` names, relative to its own folder."""
        for path, content in _read_with_bases(Path(cfg_filename).expanduser(), ()):
            self.merge_from_other_cfg(content, f"{path}: ")

    def merge_from_other_cfg(self, cfg_other: Mapping, origin: str = "") -> None:
        """Merges another tree, or any nested dict; `origin` begins the messages about it."""
        ignored, seen = [], set()
        entries = list(self._flat(cfg_other, ""))
        _refuse_removed([key for key, _ in entries], origin)
        for key, value in entries:
            if key in seen:
                raise UserError(f"{origin}{key} stands there twice, in two spellings: keep one of them")
            seen.add(key)
            if _is_ignored(key):
                ignored.append(key)
            else:
                self._assign(key, value, origin)
        _warn_ignored(ignored)

    def merge_from_list(self, cfg_list: Sequence) -> None:
        """Merges keys and values in turn, ["SOLVER.MAX_ITER", "10", ...], as they follow a command's options."""
        words = list(cfg_list)
        pairs, ignored = [], []
        for position in range(0, len(words), 2):
            key = self._override_key(words, position)
            if _is_ignored(key):
                ignored.append(key)
                continue
            self._owner(key, "")
            if position + 1 == len(words):
                raise UserError(f"override {key} has no value; an empty one is written ''")
            value = words[position + 1]
            if isinstance(value, str) and self._has(self._full_name(value)):
                raise UserError(
                    f"override {key} has no value: the next word is the key {value}; an empty value is written ''"
                )
            pairs.append((key, value))
        for key, value in pairs:
            self._assign(key, value, "")
        _warn_ignored(ignored)

    def known_keys(self) -> list[str]:
        """Full names of all keys that hold values."""
        return [key for key, _ in leaves(self)]

    def _flat(self, content: Mapping, prefix: str) -> Iterator[tuple[str, Any]]:
        """(full key, value) of a nested dict, as deep as this tree's sections go."""
        for name, value in content.items():
            key = self._full_name(f"{prefix}{name}")
            if isinstance(value, Mapping) and not _is_ignored(key) and isinstance(self._get(key), CfgNode):
                yield from self._flat(value, key + ".")
            else:
                yield key, value

    def _override_key(self, words: list, position: int) -> str:
        word = words[position]
        where = f"word {position + 1} of the overrides, where a key belongs"
        if not isinstance(word, str):
            raise UserError(f"{where}, is {word!r}; keys and values come in turn: KEY VALUE KEY VALUE")
        if not word.strip():
            raise UserError(f"{where}, is blank: a space after a trailing backslash ends a shell's line; remove it")
        if word.startswith("--"):
            raise UserError(f"option {word} stands among the overrides; options go before the first KEY VALUE")
        if "=" in word and self._has(self._full_name(word.split("=")[0])):
            raise UserError(f"override {word}: write a space between key and value, {word.replace('=', ' ', 1)}")
        return self._full_name(word.strip())

    def _full_name(self, key: str) -> str:
        short = key.split(".")[0] == ALIASED and ALIASED not in self and ALIAS_PARENT in self
        return f"{ALIAS_PARENT}.{key}" if short else key

    def _get(self, key: str) -> Any:
        """What stands under a full name; _NOTHING where nothing does."""
        node = self
        for name in key.split("."):
            if not isinstance(node, CfgNode) or name not in node:
                return _NOTHING
            node = node[name]
        return node

    def _has(self, key: str) -> bool:
        return self._get(key) is not _NOTHING

    def _owner(self, key: str, origin: str) -> CfgNode:
        """The section that holds a key. UserError where there is no such key."""
        _refuse_removed([key], origin)
        if not self._has(key):
            raise UserError(f"{origin}unknown key {key}; the nearest known key is {_nearest(key, self.known_keys())}")
        parent = key.rpartition(".")[0]
        return self._get(parent) if parent else self

    def _assign(self, key: str, value: Any, origin: str) -> None:
        owner, name = self._owner(key, origin), key.rpartition(".")[2]
        if isinstance(owner[name], CfgNode):
            raise UserError(f"{origin}{key} is a section, not a key: it takes no value of its own (found {value!r})")
        if isinstance(value, Mapping):
            raise UserError(f"{origin}{key} is a key, not a section: it has nothing named {', '.join(map(str, value))}")
        try:
            setattr(owner, name, coerce(value, owner[name], key))
        except UserError as error:
            raise UserError(f"{origin}{error}") from error


def _read_with_bases(path: Path, chain: tuple[Path, ...]) -> list[tuple[Path, dict]]:
    """The file's content after that of its bases, the most general first."""
    if path.resolve() in chain:
        raise UserError(f"{path}: {BASE} leads back to a file that is being read")
    content = read_yaml(path)
    bases = content.pop(BASE, [])
    below = []
    for base in bases if isinstance(bases, list) else [bases]:
        if not isinstance(base, str) or not base:
            raise UserError(f"{path}: {BASE} must be the name of a file or a list of them, found {bases!r}")
        below += _read_with_bases(path.parent / Path(base).expanduser(), (*chain, path.resolve()))
    return [*below, (path, content)]


def leaves(node: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(full key, value) of everything in nested mappings that is no mapping itself."""
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_ignored(key: str) -> bool:
    return any(key == name or key.startswith(name + ".") for name in IGNORED)


def _refuse_removed(keys: Sequence[str], origin: str) -> None:
    """One error for all keys that earlier versions had: full dumps of their runs hold every one of them."""
    gone = [f"key {key} is gone: {REMOVED[key]}" for key in keys if key in REMOVED]
    if gone:
        raise UserError(origin + "; ".join(gone))


def _warn_ignored(keys: list[str]) -> None:
    if keys:
        names = sorted({next(name for name in IGNORED if key == name or key.startswith(name + ".")) for key in keys})
        logger.warning("ignored: %s (keys of older code bases that mean nothing here)", ", ".join(names))


def _nearest(key: str, known: list[str]) -> str:
    """The known key that is spelt most like this one, as a whole or in its last word."""

    def likeness(candidate: str) -> float:
        whole = difflib.SequenceMatcher(None, key.upper(), candidate).ratio()
        last = difflib.SequenceMatcher(None, key.upper().rpartition(".")[2], candidate.rpartition(".")[2]).ratio()
        return max(whole, last) + 0.1 * whole

    return max(known, key=likeness)
