"""Reading checkpoint and weight files without running what they hold."""

import collections
import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from maskrcnn_benchmark.utils.errors import UserError

# Where older checkpoints keep the weights among other things.
WRAPPERS = ("model", "state_dict", "model_state_dict")


def read_file(path: str | Path) -> Any:
    """
    What a .pth, .pt or .safetensors file holds, on the CPU: tensors, numbers, text and containers of them, and nothing that runs.

    Raises:
        UserError: no such file, a damaged one, or one that holds Python objects.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"file {path} is not there")
    if path.suffix == ".pkl":
        raise UserError(f"{path} is a pickle, which is not opened; for Detectron's run: python tools/convert_weights.py {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_numpy_values()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise UserError(f"{path} is damaged or no safetensors file ({error}); fetch or write it again") from error
    except UnpicklingError as error:
        raise UserError(_why_refused(path, str(error))) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, UnicodeDecodeError, IndexError, KeyError) as error:
        raise UserError(f"{path} is damaged or no PyTorch file ({_first_sentence(str(error))}); fetch or write it again") from error


def _numpy_values() -> list:
    """numpy numbers and arrays, which older checkpoints keep in their schedules: data under names of two numpy generations."""
    multiarray = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray
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
        f"{path} holds Python objects ({culprit[1]}), which can run code when they are read, so it is not opened. If you trust it, "
        f"keep its tensors alone, in a program of your own: torch.save({{'model': state_dict}}, ...)"
    )


def _first_sentence(text: str) -> str:
    return text.strip().splitlines()[0].split(". ")[0] if text.strip() else "empty"


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """
    The named tensors of a weight file or checkpoint, without the prefix `module.` of data-parallel training.

    Raises:
        UserError: as read_file, or the file holds no named tensors.
    """
    return named_tensors(read_file(path), str(path))


def named_tensors(content: Any, source: str) -> dict[str, torch.Tensor]:
    """The named tensors in what a file or a caller gave; `source` stands for it in the message."""
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise UserError(f"{source} holds a {type(content).__name__}, not named weights")
    tensors = {}
    for name, value in content.items():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            tensors[_without_module(name)] = value
    if not tensors:
        raise UserError(f"{source} holds no weights; it has {', '.join(map(str, list(content)[:6])) or 'nothing'}")
    return tensors


def _without_module(name: str) -> str:
    while name.startswith("module."):
        name = name[len("module.") :]
    return name
