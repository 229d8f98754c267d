"""Figures of saved predictions: `sgg evaluate` as a script. --help tells more."""

import sys

from maskrcnn_benchmark.commands.evaluate import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
