"""Writes a trained model for other programs: `sgg export` as a script. --help tells more."""

import sys

from maskrcnn_benchmark.commands.export import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
