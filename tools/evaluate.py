"""Figures of saved predictions: `sgg evaluate` as a script. --help tells more."""

from maskrcnn_benchmark.commands.evaluate import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
