"""Writes a trained model for other programs: `sgg export` as a script. --help tells more."""

from maskrcnn_benchmark.commands.export import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
