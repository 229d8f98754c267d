"""Looks this machine over: `sgg doctor` as a script. --help tells more."""

from maskrcnn_benchmark.commands.doctor import main
from maskrcnn_benchmark.utils.errors import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool(main))
