"""The command line that the training and evaluation tools share. Imports nothing heavy: a wrong word is answered at once."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from maskrcnn_benchmark.utils.errors import UserError


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, like every other error of the tools."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self.prog} --help shows what there is")


def config_parser(description: str) -> argparse.ArgumentParser:
    """
    A parser for `--config-file FILE [KEY VALUE ...]`, also as older launchers call it (--local_rank, --local-rank: ignored).

    Args:
        description: the tool's docstring; it holds the line "Example: ...".
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", required=True, metavar="FILE", help="configuration, such as configs/demo/predcls.yaml")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        "overrides",
        metavar="KEY VALUE",
        nargs=argparse.REMAINDER,
        help="configuration keys and values that override the file's, such as SOLVER.MAX_ITER 20; options go before them",
    )
    return parser


def names_key(overrides: Sequence[str], key: str) -> bool:
    """Whether the KEY VALUE words of a command line set this key."""
    return key in overrides[::2]
