"""Damage done to files: single bytes, values in JSON, arrays in h5 and npz. All of it is drawn from one generator."""

import copy
import io
import json
import math
from typing import Any

import h5py
import numpy as np

Draw = np.random.Generator

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 7, 0.5, 1.5, -0.25, 2**31, 2**53 + 1, 10**30, 1e30, 1e308, float("nan"),
    float("inf"), "", " ", "1", "4711", "cup", "cup ", "\u00e9", "e\u0301", "\x1b[31m", "\x00",
    "../../etc/passwd", "/etc/passwd", "__background__", "\ud800", "x" * 5000, [], [[]], [0],
    [0, 1, 1], [[0, 1, 1]], {}, {"id": 1}, {"a": {"b": {}}},
]  # fmt: skip


def choose(values: Any, draw: Draw) -> Any:
    return values[int(draw.integers(len(values)))]


def mutate_bytes(data: bytes, draw: Draw) -> bytes:
    """Flipped, cut, doubled, overwritten or inserted bytes."""
    if not data:
        return b"\x00"
    at, length = int(draw.integers(len(data))), int(draw.integers(1, 40))
    kind = int(draw.integers(6))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + length :]
    if kind == 2:
        return data[:at] + draw.bytes(length) + data[at:]
    if kind == 3:
        return data[:at] + data[at : at + length] * 2 + data[at + length :]
    if kind == 4:
        return data[:at] + b"[" * 100_000 + data[at:]
    damaged = bytearray(data)
    for place in draw.integers(len(data), size=int(draw.integers(1, 6))):
        damaged[place] ^= 1 << int(draw.integers(8))
    return bytes(damaged)


def _places(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all values inside a JSON value."""
    found = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        found += _places(each, (*path, key))
    return found


def mutate_json(data: bytes, draw: Draw) -> bytes:
    """One value, or two, replaced, removed, repeated, moved, or turned into text."""
    content = json.loads(data)
    for _ in range(choose((1, 1, 1, 2), draw)):
        places = _places(content)
        if not places:
            break
        *path, key = choose(places, draw)
        holder = content
        for step in path:
            holder = holder[step]
        kind = int(draw.integers(7))
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 2:
            holder[key] = str(holder[key])
        elif kind == 3 and isinstance(holder[key], (int, float)) and math.isfinite(holder[key]):
            holder[key] = holder[key] + choose((-1, 1, 0.5, 100), draw)
        elif kind == 4:
            other = content
            for step in choose(places, draw):
                other = other[step] if not isinstance(other, list) or step < len(other) else other
            holder[key] = copy.deepcopy(other)
        else:
            holder[key] = copy.deepcopy(choose(ODD, draw))
    return json.dumps(content).encode()


def _odd_array(array: np.ndarray, draw: Draw) -> Any:
    """An array with other values, another type or another shape."""
    kind = int(draw.integers(8))
    if kind == 0 or not array.size:
        return choose(
            (
                np.zeros(0),
                np.float64(1),
                np.array(["a"] * 3, dtype="S1"),
                np.ones(array.shape, bool),
                np.zeros((2, 3, 4)),
            ),
            draw,
        )
    if kind == 1:
        return array[: int(draw.integers(len(array) + 1))] if array.ndim else array
    if kind == 2:
        return array.astype(choose((np.float64, np.uint8, np.int8, np.uint64, np.complex64), draw))
    if kind == 3:
        return array.reshape(-1)
    if kind == 4:
        return np.concatenate([array, array]) if array.ndim else array
    changed = array.astype(np.float64) if array.dtype.kind in "iuf" and draw.random() < 0.5 else array.copy()
    values = (
        (0, -1, 1, 3, 1000, 2**31 - 1) if changed.dtype.kind != "f" else (np.nan, np.inf, -1, 0.5, 1e300, 2.0**40, 1, 2)
    )
    if changed.dtype.kind in "iuf":
        changed.reshape(-1)[int(draw.integers(changed.size))] = choose(values, draw)
    return changed


def mutate_h5(data: bytes, draw: Draw) -> bytes:
    """One array changed, removed, or turned into a group or a link."""
    stream = io.BytesIO(data)
    with h5py.File(stream, "r+") as file:
        key = choose(list(file), draw)
        array = file[key][()]
        del file[key]
        kind = int(draw.integers(12))
        if kind == 0:
            file.create_group(key)
        elif kind == 1:
            file[key] = h5py.ExternalLink("elsewhere.h5", "/a")
        elif kind == 2:
            file[key] = h5py.SoftLink("/nowhere")
        elif kind == 3:
            file.create_dataset(key, (2**22, 2**22), np.int8, chunks=(64, 64))
        elif kind > 4:
            file[key] = _odd_array(array, draw)
    return stream.getvalue()


def mutate_npz(data: bytes, draw: Draw) -> bytes:
    """One array changed or removed."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    key = choose(list(arrays), draw)
    array = arrays.pop(key)
    if draw.random() > 0.1:
        arrays[key] = (
            np.array(choose(('["a"]', "{", '{"mode": 1}'), draw))
            if array.dtype.kind == "U"
            else _odd_array(array, draw)
        )
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


STRUCTURED = {".json": mutate_json, ".h5": mutate_h5, ".npz": mutate_npz}


def mutate(name: str, data: bytes, draw: Draw) -> bytes:
    """A file's content, damaged in a way that its kind allows."""
    suffix = name[name.rfind(".") :]
    if suffix in STRUCTURED and draw.random() < 0.75:
        return STRUCTURED[suffix](data, draw)
    return mutate_bytes(data, draw)
