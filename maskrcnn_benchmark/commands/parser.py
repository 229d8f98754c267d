"""The parsers of the command lines."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from maskrcnn_benchmark.utils.errors import UserError


def running_script() -> str:
    """The words that start this process, one of tools/."""
    return f"python tools/{Path(sys.argv[0]).name}"


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, like every other error, and whose description keeps its lines."""

    def __init__(self, description: str, prog: str | None = None):
        """
        Args:
            description: the command's docstring, with the line "Example: %(prog)s ...".
            prog: the words that start the command, such as `sgg predict`; None: running_script's.
        """
        super().__init__(
            prog=prog or running_script(),
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self.prog} --help shows what there is")


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` on."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
        return int(text)

    return number


def share(text: str) -> float:
    """The type of an option that is a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:  # nor what is not a number
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return number


def config_parser(description: str, prog: str | None, *, required: bool = True) -> Parser:
    """
    A parser for `--config-file FILE [KEY VALUE ...]`, also as older launchers call it (--local_rank, --local-rank:
    ignored).

    Its parse_intermixed_args takes options before, between and after the keys.
    """
    parser = Parser(description, prog)
    parser.add_argument(
        "--config-file", required=required, metavar="FILE", help="configuration, such as configs/demo/predcls.yaml"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "overrides",
        metavar="KEY VALUE",
        nargs="*",
        help="configuration keys and values that override the file's, such as SOLVER.MAX_ITER 20",
    )
    return parser
