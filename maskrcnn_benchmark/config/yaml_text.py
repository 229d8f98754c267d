"""YAML of configurations: plain values, and an error for what YAML itself takes otherwise than it was meant."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import require_file

_MERGE = "tag:yaml.org,2002:merge"
_INT = "tag:yaml.org,2002:int"
# Values of a file with its aliases written out.
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """
    Refuses a key twice in one mapping or in two that `<<` names (YAML takes the last one), an alias inside of what it
    names, aliases that multiply without bound, and whole numbers in base 8 or 60 (010 is 8 there, 1:30 is 90).
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._sizes: dict[int, int] = {}  # values in a finished node, by its id

    def compose_node(self, parent: Any, index: Any) -> Any:
        place = self.peek_event()
        node = super().compose_node(parent, index)
        if id(node) not in self._sizes:
            if isinstance(place, yaml.AliasEvent):
                raise UserError(f"line {place.start_mark.line + 1}: *{place.anchor} stands inside of what it names")
            parts = () if isinstance(node, yaml.ScalarNode) else node.value
            parts = chain.from_iterable(parts) if isinstance(node, yaml.MappingNode) else parts
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in parts)
            if self._sizes[id(node)] > _MOST_VALUES:
                raise UserError(f"its aliases (*name) stand for more than {_MOST_VALUES} values")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        _refuse_twice(key for key, _ in node.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        own = sum(key.tag != _MERGE for key, _ in node.value)
        super().flatten_mapping(node)
        _refuse_twice(key for key, _ in node.value[: len(node.value) - own])
        # Own keys stand last and take the place of merged ones, so that a mapping merged further on has each key once.
        node.value = list({_spelt(key): (key, value) for key, value in node.value}.values())

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number = super().construct_yaml_int(node)
        if re.match(r"[-+]?0\d|.*:", node.value):
            raise UserError(f"line {node.start_mark.line + 1}: {node.value} is {number} in YAML; write {number}")
        return number


_Loader.add_constructor(_INT, _Loader.construct_yaml_int)


def _spelt(key: yaml.Node) -> Any:
    return key.value if isinstance(key, yaml.ScalarNode) else id(key)


def _refuse_twice(keys: Iterable[yaml.Node]) -> None:
    seen: dict[Any, yaml.Node] = {}
    for key in keys:
        first = seen.setdefault(_spelt(key), key)
        if first is not key:
            lines = f"lines {first.start_mark.line + 1} and {key.start_mark.line + 1}"
            raise UserError(f"{key.value} stands there twice, in {lines}: put them together")


def read_yaml(path: Path) -> dict:
    """A YAML file as a dict. UserError that names it if it is not there, no text in UTF-8, or as parse_yaml."""
    require_file(path, "config file")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no text in UTF-8, so no config file ({error})") from error


def parse_yaml(text: str, name: str) -> dict:
    """A YAML text as a dict. UserError, under `name`, if it is no YAML, no mapping, or what _Loader refuses."""
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise UserError(f"{name}: is not valid YAML ({error})") from error
    except RecursionError as error:
        raise UserError(f"{name}: no config file: it is nested too deeply") from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else f"a {type(content).__name__}"
        raise UserError(f"{name}: a config file holds sections and keys, this one {found}")
    return content
