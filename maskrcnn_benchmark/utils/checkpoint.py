"""The checkpoints of a run; loading weights by name is in utils/weights.py and can be had from here too."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_text
from maskrcnn_benchmark.utils.weight_files import read_file, read_weights
from maskrcnn_benchmark.utils.weight_names import holds_backbone_only, holds_detector, holds_relation
from maskrcnn_benchmark.utils.weights import (
    LoadReport,
    load_weights,
    mark_optional,
    mark_unfilled,
    optional,
    require_filled,
    unfilled,
)

__all__ = [
    "Checkpointer", "LoadReport", "holds_detector", "holds_relation", "holds_backbone_only", "load_weights",
    "mark_optional", "mark_unfilled", "optional", "read_weights", "require_filled", "unfilled",
]  # fmt: skip

LAST = "last_checkpoint"
SUFFIX = ".pth"
_PLAIN = (type(None), bool, int, float, str)


class Checkpointer:
    """Checkpoints in one folder, each written whole or not at all, and the note which of them a run goes on from."""

    def __init__(self, output_dir: str | Path):
        self.output_dir = Path(output_dir)

    def path(self, name: str) -> Path:
        """The file of a checkpoint, `model_0002000` or `model_0002000.pth`."""
        return self.output_dir / (name if name.endswith(SUFFIX) else name + SUFFIX)

    def save(self, name: str, state: dict[str, Any]) -> Path:
        """
        Writes a checkpoint.

        Args:
            state: tensors, numbers, text, None, and lists, tuples and dicts of them: what can be read back without
                running anything.
        Raises:
            TypeError: names the entry that is something else.
            UserError: no space for it on the disk.
        """
        _require_plain(state, "state")
        with atomic_path(self.path(name), wanted=_bytes(state)) as temporary:
            torch.save(state, temporary)
        return self.path(name)

    def mark_last(self, name: str) -> None:
        """Notes that a run goes on from this checkpoint. The note holds a file name, so the folder can be moved."""
        write_text(self.output_dir / LAST, self.path(name).name + "\n")

    def last(self) -> Path | None:
        """The checkpoint to go on from, None in a fresh folder. UserError if the noted file is missing."""
        note = self.output_dir / LAST
        if not note.is_file():
            return None
        name = Path(note.read_text(encoding="utf-8", errors="replace").strip()).name
        path = self.output_dir / name
        if not name or not path.is_file():
            raise UserError(
                f"{note} names '{name}', which is not beside it: put the file back, or remove the note to start afresh"
            )
        return path

    def load(self, path: str | Path) -> dict[str, Any]:
        """What a checkpoint holds, on the CPU. UserError if the file is missing, damaged, or not a checkpoint."""
        state = read_file(path)
        if not isinstance(state, dict):
            raise UserError(f"{path} holds a {type(state).__name__}, not a checkpoint")
        return state


def _bytes(value: Any) -> int:
    """Bytes of the tensors in a state; views of one storage count once, as torch.save writes them."""
    storages: dict[int, int] = {}

    def visit(entry: Any) -> None:
        if isinstance(entry, torch.Tensor):
            storages[entry.untyped_storage().data_ptr()] = entry.untyped_storage().nbytes()
        elif isinstance(entry, (dict, list, tuple)):
            for inner in entry.values() if isinstance(entry, dict) else entry:
                visit(inner)

    visit(value)
    return sum(storages.values())


def _require_plain(value: Any, where: str) -> None:
    if isinstance(value, torch.Tensor) or type(value) in _PLAIN:
        return
    if type(value) in (dict, OrderedDict):
        for key, entry in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"checkpoint: {where} has a key {key!r}, which is neither text nor a whole number")
            _require_plain(entry, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, entry in enumerate(value):
            _require_plain(entry, f"{where}[{i}]")
    else:
        kind = type(value).__name__
        raise TypeError(
            f"checkpoint: {where} is a {kind}; only tensors, numbers, text and containers of them can be read back"
        )
