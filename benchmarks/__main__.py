"""
Runs the benchmark suite, one after the other, each into output/bench/<name>.json.

Example: python -m benchmarks
         python -m benchmarks ops evaluator
"""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

# Takes gigabytes and, on a slow machine, the better part of an hour: runs only when it is named.
ONLY_NAMED = {"published_spln"}


def names() -> list[str]:
    """Modules of this folder that have a main. Their files are read, not imported: that takes seconds."""
    files = Path(__file__).parent.glob("[!_]*.py")
    return sorted(file.stem for file in files if "\ndef main(" in file.read_text(encoding="utf-8"))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = f"of {', '.join(names())} (default: all but {', '.join(ONLY_NAMED)})"
    parser.add_argument("names", nargs="*", choices=[*names(), []], metavar="NAME", help=choice)
    for name in parser.parse_args(argv).names or [name for name in names() if name not in ONLY_NAMED]:
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main([])


if __name__ == "__main__":
    main()
