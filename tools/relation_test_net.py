"""Evaluates a relation model: `sgg test` under its published name. --help tells more."""

import sys
from functools import partial

from maskrcnn_benchmark.commands.networks import test_relation
from maskrcnn_benchmark.utils.errors import run_tool

main = partial(test_relation, prog="python tools/relation_test_net.py")

if __name__ == "__main__":
    sys.exit(run_tool(main))
