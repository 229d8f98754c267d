"""Trains a relation model and evaluates it: `sgg train` under its published name. --help tells more."""

from maskrcnn_benchmark.commands.networks import train_relation as main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
