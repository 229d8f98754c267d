"""
The benchmark suite: speed of ops, evaluator, loader and backbones beside plain references, as ratios in output/bench.
It lives beside the package, in a clone.

Example: %(prog)s
         %(prog)s ops evaluator
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import maskrcnn_benchmark
from maskrcnn_benchmark.commands.parser import Parser
from maskrcnn_benchmark.utils.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all that take minutes)")
    names = parser.parse_args(argv).names
    clone = Path(maskrcnn_benchmark.__file__).parents[1]
    if not (clone / "benchmarks" / "__main__.py").is_file():
        raise UserError(
            f"{clone}: no folder benchmarks/ there; it is no part of the installed package, run from a clone"
        )
    sys.path.insert(0, str(clone))
    importlib.import_module("benchmarks.__main__").main(names)
    return 0
