"""Renders the demo data set: `sgg data demo` as a script. --help tells more."""

from maskrcnn_benchmark.commands.demo_data import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
