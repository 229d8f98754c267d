"""Trains a detector and evaluates it: `sgg detector train` under its published name. --help tells more."""

import sys

from maskrcnn_benchmark.commands.networks import train_detector as main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    sys.exit(run_tool(main))
