"""Arrays out of Detectron's pickled weight files; nothing that a file names is imported or called."""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import require_file

# The only names that a file of arrays needs; anything else is refused. numpy 2 writes its core as _core.
_NAMES = {
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}
_MARK = object()


class _Pending:
    """An array or a dtype that the file builds in two steps; `value` is set in the second."""

    def __init__(self, kind: str, value: Any = None):
        self.kind, self.value = kind, value


class _Reader:
    """
    A stack machine for the part of the pickle language that describes data: constants, containers, references, numpy
    arrays. pickletools.genops gives the instructions; one or a name outside that part is an error.
    """

    def __init__(self):
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self, data: bytes) -> Any:
        for instruction, argument, _ in pickletools.genops(data):
            if instruction.name == "STOP":
                return _resolve(self.stack.pop())
            self._step(instruction.name, argument)
        raise ValueError("it ends in the middle")

    def _step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _PUSHES_ARGUMENT:
            self.stack.append(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        elif name in _ENTRIES:
            self._collect(name, self._take(_ENTRIES[name]))
        elif name == "POP":
            self.stack.pop()
        elif name == "GLOBAL":
            self.stack.append(_known(argument))
        elif name == "STACK_GLOBAL":
            module, attribute = self._take(2)
            self.stack.append(_known(f"{module} {attribute}"))
        elif name == "REDUCE":
            self.stack.append(_construct(*self._take(2)))
        elif name == "BUILD":
            state = self.stack.pop()
            _fill(self.stack[-1], state)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has the instruction {name}, which arrays do not need")

    def _take(self, count: int | None) -> list[Any]:
        """Takes so many entries off the stack; None: those since the last mark, and the mark."""
        first = len(self.stack) - (count or 0)
        if count is None:
            first -= next(i for i, entry in enumerate(reversed(self.stack)) if entry is _MARK)
        entries = self.stack[first:]
        del self.stack[first - (count is None) :]
        return entries

    def _collect(self, name: str, entries: list[Any]) -> None:
        pairs = zip(entries[::2], entries[1::2], strict=True)
        if name.startswith("TUPLE"):
            self.stack.append(tuple(entries))
        elif name == "LIST":
            self.stack.append(entries)
        elif name == "DICT":
            self.stack.append(dict(pairs))
        elif name.startswith("APPEND"):
            self.stack[-1].extend(entries)
        else:
            self.stack[-1].update(pairs)


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK, "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_PUSHES_ARGUMENT = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
# Instructions that put entries together, and how many of the stack's: None, all since the last mark.
_ENTRIES = {
    "TUPLE": None, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "LIST": None, "DICT": None,
    "APPEND": 1, "APPENDS": None, "SETITEM": 2, "SETITEMS": None,
}  # fmt: skip


def _known(name: str) -> _Pending:
    if name not in _NAMES:
        raise ValueError(f"it names {name.replace(' ', '.')}, which arrays do not need")
    return _Pending(_NAMES[name])


def _construct(function: Any, arguments: tuple) -> Any:
    """What a constructor's call stands for: an array or dtype to be filled, a number, or bytes written as text."""
    kind = function.kind if isinstance(function, _Pending) and function.value is None else None
    if kind == "reconstruct":
        return _Pending("array")
    if kind == "dtype":
        return _Pending("type", np.dtype(_latin(arguments[0])))
    if kind == "scalar":
        return np.frombuffer(_bytes(arguments[1]), arguments[0].value)[0]
    if kind == "encode":
        return arguments[0].encode("latin-1")
    raise ValueError("it calls something that is no constructor of arrays")


def _fill(pending: Any, state: tuple) -> None:
    """Second step: byte order of a dtype; shape, dtype, order and bytes of an array."""
    kind = pending.kind if isinstance(pending, _Pending) else None
    if kind == "type":
        pending.value = pending.value.newbyteorder(_latin(state[1]))
    elif kind == "array":
        _, shape, dtype, fortran, content = state
        if dtype.value.kind not in "biuf":
            raise ValueError(f"it has an array of {dtype.value}, which is no kind of number")
        pending.value = np.frombuffer(_bytes(content), dtype.value).reshape(shape, order="F" if fortran else "C")
    else:
        raise ValueError("it fills something that is no array")


def _resolve(value: Any) -> Any:
    if isinstance(value, _Pending):
        return value.value
    if isinstance(value, dict):
        return {_latin(key): _resolve(entry) for key, entry in value.items()}
    return value


def _latin(text: Any) -> Any:
    return text.decode("latin-1") if isinstance(text, bytes) else text


def _bytes(content: str | bytes) -> bytes:
    # Python 2 wrote bytes as strings, which pickletools gives as latin-1 text.
    return content if isinstance(content, bytes) else content.encode("latin-1")


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """
    The blobs of a Detectron weight file by name, without momenta and what else is no array. UserError: no such file, a
    damaged one, or one that holds more than arrays.
    """
    path = Path(path)
    require_file(path, "file")
    try:
        content = _Reader().read(path.read_bytes())
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError, OverflowError) as error:
        raise UserError(f"{path} is no file of arrays that can be read without running it: {error}") from error
    blobs = content.get("blobs", content) if isinstance(content, dict) else {}
    arrays = {
        name: value for name, value in blobs.items() if isinstance(value, np.ndarray) and not name.endswith("_momentum")
    }
    if not arrays:
        raise UserError(f"{path} holds no arrays by name")
    return arrays
