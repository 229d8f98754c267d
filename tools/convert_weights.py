"""Turns Detectron's pickled weights into a safe file: `sgg convert` as a script. --help tells more."""

from maskrcnn_benchmark.commands.convert import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
