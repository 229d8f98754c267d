"""Trains a relation model and evaluates it: `sgg train` under its published name. --help tells more."""

import sys
from functools import partial

from maskrcnn_benchmark.commands.networks import train_relation
from maskrcnn_benchmark.utils.errors import run_tool

main = partial(train_relation, prog="python tools/relation_train_net.py")

if __name__ == "__main__":
    sys.exit(run_tool(main))
