"""Writes visual prototypes: `sgg prototypes visual` as a script. --help tells more."""

from maskrcnn_benchmark.commands.visual_prototypes import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
