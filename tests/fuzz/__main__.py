"""
Reads damaged files of every kind and lists what ended otherwise than it should.

Example: python -m tests.fuzz 2000
         python -m tests.fuzz 200 --seed 7 --reader coco
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", type=int, nargs="?", default=2000, help="how many (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of all damage (default 0)")
    parser.add_argument("--reader", help="only this one")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(Path(folder), args.inputs, seed=args.seed, only=args.reader)
    sys.stdout.write(outcome.table() + "\n")
    for failure in outcome.failures:
        sys.stdout.write(failure + "\n")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
