"""Scene graphs of pictures from a checkpoint: `sgg predict` as a script. --help tells more."""

from maskrcnn_benchmark.commands.predict import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
