"""Compares predictors on the rendered data set: `sgg ablation` as a script. --help tells more."""

import sys

from maskrcnn_benchmark.commands.ablation import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
