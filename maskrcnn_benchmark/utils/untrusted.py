"""The border that JSON from outside passes: what is wrong is one UserError that names the file, entry and field."""

import json
import reprlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.utils.errors import UserError

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


@dataclass(frozen=True)
class Kind:
    """What a value must be: in words, as a test, and as which Python value it goes on."""

    words: str
    holds: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value


def is_number(value: Any) -> bool:
    """A finite number, and no whole one beyond any float; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_whole(value: Any) -> bool:
    """A whole number, also one that is written as 3.0."""
    return is_number(value) and value == int(value)


ANY = Kind("there", lambda _: True)  # checked later, with others of its kind
TEXT = Kind("text", lambda value: isinstance(value, str))
NUMBER = Kind("a finite number", is_number)
WHOLE = Kind("a whole number", is_whole, int)
LIST = Kind("a list", lambda value: isinstance(value, list))
NAMES = Kind(
    "a list of names", lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value), tuple
)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
# What images and annotations are known by.
IDENTIFIER = Kind("a whole number or text", lambda value: is_whole(value) or isinstance(value, str))
_KINDS: dict[type, Kind] = {list: LIST, dict: OBJECT, str: TEXT}
_NAMING = ("id", "image_id", "file_name", "img_fn", "file", "name")


def shown(value: Any) -> str:
    """A value for a message: short, control characters escaped."""
    return "null" if value is None else _short.repr(value)


def read_json(file: str | Path, kind: type, cure: str | None = None) -> Any:
    """
    The content of a JSON file, which must be a `kind` (dict or list).

    Args:
        cure: what to do about a file that cannot be read; by default what helps with a published one.
    Raises:
        UserError: no such file, no UTF-8, no JSON, nested too deeply, a key twice in one object, or another kind.
    """
    try:
        text = Path(file).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL byte
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{file}: cannot be read ({why}); {cure or 'DATASET.md says where to get it'}") from error
    return parse_json(text, kind, str(file), cure)


def parse_json(text: bytes | str, kind: type, where: str, cure: str | None = None) -> Any:
    """The same of JSON that is at hand; `where` begins the message."""
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: byte {error.start} is not UTF-8; save the file as UTF-8, or fetch it again"
        ) from error
    except _TwiceError as error:
        raise UserError(
            f"{where}: the key {shown(error.args[0])} stands twice in one object; one of its values would be lost"
        ) from error
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{where}: is not valid JSON ({why}); {cure or 'fetch it again'}") from error
    if not isinstance(content, kind):
        raise UserError(
            f"{where}: expected a JSON {'list' if kind is list else 'object'}, found {type(content).__name__}"
        )
    return content


class _TwiceError(ValueError):
    """A key that an object has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _TwiceError(key)
            seen.add(key)
    return entry


def fields(entry: Any, where: str, **kinds: Kind | type) -> list[Any]:
    """
    Values of a JSON object's fields, in the order of `kinds`.

    Args:
        where: file and place, such as "train.json, annotations[3]".
        kinds: what each field must be: a Kind, or list, dict or str.
    Raises:
        UserError: no object, a field that is missing or of another kind.
    """
    if not isinstance(entry, dict):
        raise UserError(f"{where}: expected an object with {', '.join(kinds)}, found {shown(entry)}")
    values = []
    for key, given in kinds.items():
        kind = given if isinstance(given, Kind) else _KINDS[given]
        if key not in entry:
            raise UserError(
                f"{where}{_naming(entry)}: has no '{key}', which must be {kind.words}; it holds {shown(list(entry))}"
            )
        value = entry[key]
        if not kind.holds(value):
            raise UserError(f"{where}{_naming(entry)}: '{key}' must be {kind.words}, found {shown(value)}")
        values.append(kind.convert(value))
    return values


def _naming(entry: dict[str, Any]) -> str:
    """What tells one of thousands of entries apart."""
    known = [f"{key} {shown(entry[key])}" for key in _NAMING if isinstance(entry.get(key), (int, float, str))]
    return f" ({', '.join(known)})" if known else ""
