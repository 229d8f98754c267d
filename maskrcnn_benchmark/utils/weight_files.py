"""Reading checkpoint and weight files without running what they hold."""

import collections
import errno
import importlib
import re
import struct
import zipfile
import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import require_file
from maskrcnn_benchmark.utils.model_files import described
from maskrcnn_benchmark.utils.weight_names import OWN_PREFIXES, plain_names

# Where checkpoints keep the weights among other things.
WRAPPERS = ("model", "state_dict", "model_state_dict")
# What readers of zip files and of PyTorch's raise where bytes are not what they should be; NotImplementedError is a
# RuntimeError.
_DAMAGED = (
    RuntimeError, EOFError, zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError, AssertionError,
    OverflowError, struct.error, zlib.error,
)  # fmt: skip


def read_file(path: str | Path) -> Any:
    """
    What a .pth, .pt or .safetensors file holds, on the CPU: tensors, numbers, text and containers of them, and nothing
    that runs. A model that tools/export.py wrote comes as the checkpoint that it was made of.

    Raises:
        UserError: no such file, a damaged one (a file of zip's form says so by its checksums), or one that holds Python
            objects.
    """
    path = Path(path)
    require_file(path, "file")
    if path.suffix == ".pkl":
        raise UserError(
            f"{path} is a pickle, which is not opened; for Detectron's run: python tools/convert_weights.py {path}"
        )
    try:
        if path.suffix == ".safetensors":
            return described(path, load_file(path))
        verify_checksums(path)
        with torch.serialization.safe_globals(_numpy_values()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(f"{path} is damaged or no safetensors file ({error}); fetch or write it again") from error
    except UnpicklingError as error:
        raise UserError(_why_refused(path, str(error))) from error
    except _DAMAGED as error:
        why = (str(error).strip() or "empty").splitlines()[0].split(". ")[0]
        raise UserError(f"{path} is damaged or no PyTorch file ({why}); fetch or write it again") from error


def verify_checksums(path: str | Path) -> None:
    """zipfile.BadZipFile where an entry is not what its checksum says, which PyTorch does not compare."""
    if not zipfile.is_zipfile(path):
        return  # the form before PyTorch 1.6, which has none
    with zipfile.ZipFile(path) as file:
        if not any(entry.CRC for entry in file.infolist()):
            return  # written under torch.serialization.set_crc32_options(False)
        try:
            damaged = file.testzip()
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise zipfile.BadZipFile("an entry lies outside the file") from error
    if damaged is not None:
        raise zipfile.BadZipFile(f"its entry {damaged} is not what its checksum says")


def _numpy_values() -> list:
    """numpy numbers and arrays, in older checkpoints' schedules: data under names of two numpy generations."""
    multiarray = importlib.import_module(f"numpy.{'_core' if hasattr(np, '_core') else 'core'}.multiarray")
    dtypes = {type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}
    named = [
        (entry, f"numpy.{core}.multiarray.{name}")
        for name, entry in (("scalar", multiarray.scalar), ("_reconstruct", multiarray._reconstruct))
        for core in ("core", "_core")
    ]
    return [np.ndarray, np.dtype, *dtypes, *named, collections.Counter]


def _why_refused(path: Path, error: str) -> str:
    culprit = re.search(r"GLOBAL ([\w.]+)", error)
    if culprit is None:
        return f"{path} is damaged or no PyTorch file; fetch or write it again"
    return (
        f"{path} holds Python objects ({culprit[1]}), which can run code when they are read, so it is not opened. If"
        " you trust it, keep its tensors alone, in a program of your own: torch.save({'model': state_dict}, ...)"
    )


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Named tensors of a weight file or checkpoint, by weight_names.plain_names. UserError: as read_file, or none."""
    return named_tensors(read_file(path), str(path))


def named_tensors(content: Any, source: str) -> dict[str, torch.Tensor]:
    """
    As read_weights, of what a file or a caller gave; `source` stands for it in messages. Tensors are found under the
    names that checkpoints use for them, or wherever they alone are, at any depth.
    """
    found = _tensors(content)
    if isinstance(content, dict):
        try:
            inside = [key for key in content if isinstance(content[key], dict) and _holds_tensors(content[key])]
        except RecursionError as error:
            raise UserError(f"{source} is nested too deeply to hold weights") from error
        known = [key for key in WRAPPERS if key in inside]
        places = known or ([] if found else inside)
        if len(places) > 1:
            raise UserError(f"{source} holds weights under {', '.join(map(str, places))}: keep one of them, as 'model'")
        if known and any(name.startswith(OWN_PREFIXES) for name in found):
            raise UserError(f"{source} holds weights under '{known[0]}' and beside it: put them together, as 'model'")
        if places:
            return named_tensors(content[places[0]], source)
    if not isinstance(content, dict):
        raise UserError(f"{source} holds a {type(content).__name__}, not named weights")
    if not found:
        raise UserError(f"{source} holds no weights; it has {', '.join(map(str, list(content)[:6])) or 'nothing'}")
    try:
        plain = plain_names(found)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error
    return {plain[name]: tensor for name, tensor in found.items()}


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    """The tensors of one level, by name."""
    tensors = {}
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            value = torch.from_numpy(value)
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            tensors[name] = value
    return tensors


def _holds_tensors(content: Any) -> bool:
    return isinstance(content, dict) and (
        bool(_tensors(content)) or any(_holds_tensors(value) for value in content.values())
    )
