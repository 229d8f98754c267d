"""
A model in one .safetensors file: its weights, and in the file's metadata what a checkpoint says of the model beside
them. No optimizer, no random states: half of a checkpoint or less.

Metadata: "config" (YAML text), "version", "detector" (JSON true or false), "meta" (JSON names), "checksum" of all
tensors, which the form itself lacks; the tensors of a checkpoint's "meta" lie among the weights, under `meta/<name>`.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path
from maskrcnn_benchmark.utils.untrusted import parse_json

META_PREFIX = "meta/"


def write_model(path: str | Path, weights: Mapping[str, Tensor], content: Mapping[str, Any], *, detector: bool) -> Path:
    """
    Writes a file that weight_files.read_file reads as a checkpoint without training state, and returns its path.

    Args:
        weights: by name. content: the entries "config", "version" and "meta" of a checkpoint.
        detector: the weights hold a trained detector.
    """
    names = {key: value for key, value in content["meta"].items() if not isinstance(value, Tensor)}
    tables = {META_PREFIX + key: value for key, value in content["meta"].items() if isinstance(value, Tensor)}
    # Copies: the form keeps no two tensors of one storage.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in {**weights, **tables}.items()}
    metadata = {
        "format": "pt",
        "config": content["config"],
        "version": str(content.get("version", "")),
        "detector": json.dumps(detector),
        "meta": json.dumps(names),
        "checksum": _checksum(tensors),
    }
    wanted = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    with atomic_path(path, wanted=wanted) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    return Path(path)


def described(path: str | Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """
    The content of a checkpoint where a .safetensors file's metadata describes a model, else its tensors. UserError:
    metadata that is no JSON where it should be, or tensors that are not what their checksum says.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "checksum" in metadata and metadata["checksum"] != _checksum(tensors):
        raise UserError(f"{path} is damaged (its tensors are not what their checksum says); fetch or write it again")
    if "config" not in metadata or "meta" not in metadata:
        return tensors
    names = parse_json(metadata["meta"], dict, f"{path}, metadata meta", "write the file again with tools/export.py")
    tables = {name: tensor for name, tensor in tensors.items() if name.startswith(META_PREFIX)}
    return {
        "model": {name: tensor for name, tensor in tensors.items() if name not in tables},
        "config": metadata["config"],
        "version": metadata.get("version", ""),
        "detector": metadata.get("detector") != "false",
        "meta": names | {name.removeprefix(META_PREFIX): table for name, table in tables.items()},
    }


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of the names and bytes of all tensors, in order of names."""
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(
            tensors[name].reshape(-1).view(torch.uint8).numpy().data, zlib.crc32(name.encode(), checksum)
        )
    return f"{checksum:08x}"
