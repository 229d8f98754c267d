"""Values as a shell, YAML or Python gives them, turned into the type that a key's present value has."""

import ast
import os
from typing import Any

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import is_number, is_whole

WANTED = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list such as (1, 2)",
    type(None): "text or None",
}


def coerce(value: Any, present: Any, key: str) -> Any:
    """
    The value in the wanted type; lists become tuples, and a single value stands for a list of one.

    Args:
        value: a Python value, or text that spells one ("True", "(28000, 48000)", "5e-4", "float32").
        present: the value that the key has; its type is the wanted one, for lists that of its elements too.
        key: full name, for the message.
    Raises:
        UserError: the value is of another type.
    """
    if isinstance(present, (tuple, list)):
        elements = _elements(value)
        if not present:
            return elements
        return tuple(
            coerce(element, present[0], f"{key}, element {i} of {value!r}") for i, element in enumerate(elements)
        )
    if present is None and value in (None, "", "None"):
        return None
    if present is None or isinstance(present, str):
        return _text(value, present, key)
    return _plain(value, type(present), key)


def _elements(value: Any) -> tuple:
    """A list in any spelling as a tuple; "" is the empty one; words without brackets are split at commas."""
    if isinstance(value, str):
        literal = _literal(value)
        if isinstance(literal, str) and literal == value.strip():
            return tuple(word.strip() for word in literal.strip("()[]").split(",") if word.strip())
        value = literal
    return (
        tuple(tuple(v) if isinstance(v, list) else v for v in value) if isinstance(value, (tuple, list)) else (value,)
    )


def _literal(text: str) -> Any:
    """What a Python literal stands for; the text itself, without outer blanks, where it is none."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two of text nested too deeply
        return text.strip()


def _text(value: Any, present: str | None, key: str) -> str:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, str):
        raise _wrong_type(value, type(present), key)
    if value and not value.strip():
        raise UserError(
            f"{key} is given a blank word: is there a space after a trailing backslash? An empty value is written ''"
        )
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _plain(value: Any, wanted: type, key: str) -> Any:
    """A bool, int or float."""
    given = value
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower(), _literal(value))
    fits = isinstance(value, bool) if wanted is bool else is_number(value) if wanted is float else is_whole(value)
    if not fits:
        raise _wrong_type(given, wanted, key)
    return wanted(value)


def _wrong_type(value: Any, wanted: type, key: str) -> UserError:
    return UserError(f"{key} wants {WANTED[wanted]} ({wanted.__name__}), not {value!r}")
