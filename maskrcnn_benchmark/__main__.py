"""`python -m maskrcnn_benchmark` is sgg; `torchrun -m maskrcnn_benchmark train ...` is sgg in several processes."""

import sys

from maskrcnn_benchmark.commands.sgg import run

if __name__ == "__main__":
    sys.exit(run())
