"""Evaluates a detector: `sgg detector test` under its published name. --help tells more."""

import sys
from functools import partial

from maskrcnn_benchmark.commands.networks import test_detector
from maskrcnn_benchmark.utils.errors import run_tool

main = partial(test_detector, prog="python tools/detector_test_net.py")

if __name__ == "__main__":
    sys.exit(run_tool(main))
