"""
The page of all configuration keys, from the comments above them in config/defaults: `make docs` writes it.

Example: python -m maskrcnn_benchmark.config.reference docs/configuration.md
"""

import argparse
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config import defaults
from maskrcnn_benchmark.config.load import CHOICES
from maskrcnn_benchmark.config.node import Config
from maskrcnn_benchmark.config.ranges import number_ranges
from maskrcnn_benchmark.utils.errors import run_tool
from maskrcnn_benchmark.utils.files import atomic_path

HEAD = """# Configuration

Every key, its default, what it takes and what it means. A YAML file sets some of them, `_BASE_` names the file that it
starts from, and `KEY VALUE` words after a command's options override both. A key's full name is that of its section, a
dot and its own: `SOLVER.MAX_ITER 200`. A key that is not here, a value of another type and a number out of range are
errors that say what was expected.

This page is written from the comments above the keys in
[config/defaults](../maskrcnn_benchmark/config/defaults/__init__.py) by `make docs`.
"""
# `# ---- Title ----` opens a part of a section, `X = Config()` another section, and `X.KEY = ...` is a key of X.
_PART = re.compile(r"# -{4} (?P<title>.+?) -+$")
_OPENING = " = Config()"
_KEY = re.compile(r"(?P<section>[\w.]+)\.(?P<name>\w+) = ")
_LONGEST_LIST = 8


@dataclass(frozen=True)
class Key:
    """One key: full name, default, meaning, and the part of its section that it stands in ("" before the first)."""

    name: str
    default: Any
    meaning: str
    part: str

    @property
    def section(self) -> str:
        return self.name.rpartition(".")[0]


def documented_keys() -> list[Key]:
    """All keys with the comments above them, in the order of the tree; sections follow the keys beside them."""
    tree = defaults._C
    found = {key.name: key for module in _modules() for key in _keys_of(module, tree)}
    missing = set(tree.known_keys()) ^ found.keys()
    if missing:
        raise RuntimeError(f"config/defaults: not explained on the lines above them: {', '.join(sorted(missing))}")
    order = {section: position for position, section in enumerate(_sections(tree))}
    return sorted(found.values(), key=lambda key: order[key.section])


def reference_page() -> str:
    """The page as Markdown: a heading per section, a table per part of it."""
    ranges = number_ranges(defaults._C)
    lines, section, part = [HEAD.rstrip()], None, None
    for key in documented_keys():
        if key.section != section:
            lines += ["", f"## {key.section or 'The run'}"]
        if (key.section, key.part) != (section, part):
            lines += ["", f"### {key.part}"] if key.part else []
            lines += ["", "| key | default | takes | meaning |", "|---|---|---|---|"]
        section, part = key.section, key.part
        cells = (f"`{key.name.rpartition('.')[2]}`", f"`{_shown(key.default)}`", _takes(key, ranges), key.meaning)
        lines.append("| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _modules() -> Iterator[Any]:
    yield defaults
    for found in pkgutil.iter_modules(defaults.__path__):
        yield importlib.import_module(f"{defaults.__name__}.{found.name}")


def _keys_of(module: Any, tree: Config) -> Iterator[Key]:
    """The keys that a module sets. Its names of sections (HEAD, RPN) are found again in the tree as the same nodes."""
    places = {id(node): name for name, node in _sections(tree).items()}
    comment: list[str] = []
    part = ""
    for line in Path(module.__file__).read_text(encoding="utf-8").splitlines():
        title, assignment = _PART.match(line), _KEY.match(line)
        if title:
            comment, part = [], title["title"].strip()
        elif line.startswith("# "):
            comment.append(line[2:])
            continue
        elif line.endswith(_OPENING):
            part = ""
        elif assignment:
            node: Any = vars(module)[assignment["section"].split(".")[0]]
            for name in assignment["section"].split(".")[1:]:
                node = node[name]
            value = node[assignment["name"]]
            if not isinstance(value, Config):
                full = f"{places[id(node)]}.{assignment['name']}".lstrip(".")
                yield Key(full, value, " ".join(comment), part)
        comment = []


def _sections(node: Config, prefix: str = "") -> dict[str, Config]:
    """Every section by its full name, the whole tree ("") first."""
    found = {prefix: node}
    for name, value in node.items():
        if isinstance(value, Config):
            found |= _sections(value, f"{prefix}.{name}".lstrip("."))
    return found


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and len(value) > _LONGEST_LIST:
        return f"({', '.join(map(repr, value[:3]))}, … {len(value)} numbers)"
    if isinstance(value, float) and value == 1 / 3:
        return "1/3"
    return "null" if value is None else "''" if value == "" else value if isinstance(value, str) else repr(value)


def _takes(key: Key, ranges: Mapping[str, str]) -> str:
    if key.name in CHOICES:
        return ", ".join("null" if word is None else f"`{word}`" for word in CHOICES[key.name])
    if isinstance(key.default, bool):
        return "True, False"
    if isinstance(key.default, tuple):
        bools = any(isinstance(element, bool) for element in key.default)
        return ranges.get(key.name) or ("a list of True, False" if bools else "a list")
    if isinstance(key.default, str):
        return "text"
    words = ranges[key.name]
    return f"a whole number, {words}".removesuffix(", any number") if isinstance(key.default, int) else words


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="file to write")
    with atomic_path(parser.parse_args(argv).page) as path:
        path.write_text(reference_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
