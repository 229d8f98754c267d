"""Turns Detectron's ImageNet weights (.pkl) into a file that is safe to open. Nothing in the pickle is run.

Example: %(prog)s checkpoints/X-101-32x8d.pkl checkpoints/X-101-32x8d.safetensors
"""

from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, setup_logging

logger = get_logger(__name__)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument("source", type=Path, help="Detectron's file, such as checkpoints/R-101.pkl")
    parser.add_argument(
        "target",
        type=Path,
        nargs="?",
        help=".safetensors or .pth file to write; default: .safetensors beside the source",
    )
    arguments = parser.parse_args(argv)
    # After the words are read: these take seconds to import.
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from maskrcnn_benchmark.utils.detectron_pickle import read_arrays
    from maskrcnn_benchmark.utils.files import atomic_path

    setup_logging()
    target = arguments.target or arguments.source.with_suffix(".safetensors")
    if target.suffix not in (".safetensors", ".pth"):
        raise UserError(f"{target}: write a .safetensors or a .pth file")
    arrays = read_arrays(arguments.source)
    tensors = {name: torch.from_numpy(np.array(array, dtype=np.float32, order="C")) for name, array in arrays.items()}
    with atomic_path(target) as temporary:
        if target.suffix == ".safetensors":
            save_file(tensors, temporary)
        else:
            torch.save(tensors, temporary)
    logger.info(f"{target}: {len(tensors)} arrays, {sum(t.numel() for t in tensors.values()):,} numbers")
    return 0
