"""Trains a detector and evaluates it: `sgg detector train` under its published name. --help tells more."""

import sys
from functools import partial

from maskrcnn_benchmark.commands.networks import train_detector
from maskrcnn_benchmark.utils.errors import run_tool

main = partial(train_detector, prog="python tools/detector_pretrain_net.py")

if __name__ == "__main__":
    sys.exit(run_tool(main))
