"""The checkpoints of a run; load_weights, of utils/weights.py, can be had from here too."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.files import atomic_path, write_text
from maskrcnn_benchmark.utils.weight_files import read_file
from maskrcnn_benchmark.utils.weights import load_weights

__all__ = ["Checkpointer", "load_weights"]

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
        Writes a checkpoint of tensors, numbers, text, None, and lists, tuples and dicts of them: what can be read back
        without running anything.

        Raises:
            TypeError: names the entry that is something else.
            UserError: no space for it on the disk.
        """
        # Views of one storage count once, as torch.save writes them.
        storages = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in _tensors(state, "state")
        }
        with atomic_path(self.path(name), wanted=sum(each.nbytes() for each in storages.values())) as temporary:
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


def _tensors(value: Any, where: str) -> Iterator[torch.Tensor]:
    """The tensors of a state. TypeError that names an entry that could not be read back."""
    if isinstance(value, torch.Tensor):
        yield value
    elif type(value) in (dict, OrderedDict):
        for key, entry in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"checkpoint: {where} has a key {key!r}, which is neither text nor a whole number")
            yield from _tensors(entry, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, entry in enumerate(value):
            yield from _tensors(entry, f"{where}[{i}]")
    elif type(value) not in _PLAIN:
        kind = type(value).__name__
        raise TypeError(
            f"checkpoint: {where} is a {kind}; only tensors, numbers, text and containers of them can be read back"
        )
