"""Makes a data set of your own pictures, or checks one: `sgg data make` as a script. --help tells more."""

from maskrcnn_benchmark.commands.dataset import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
