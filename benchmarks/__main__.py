"""
Runs the benchmark suite, one after the other, each into output/bench/<name>.json.

Example: python -m benchmarks
         python -m benchmarks ops evaluator
"""

import argparse
import importlib
import pkgutil
from pathlib import Path


def names() -> list[str]:
    """Modules of this folder that have a main."""
    folder = str(Path(__file__).parent)
    modules = (module.name for module in pkgutil.iter_modules([folder]) if module.name != "__main__")
    return sorted(name for name in modules if hasattr(importlib.import_module(f"benchmarks.{name}"), "main"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*names(), []], metavar="NAME", help=f"of {', '.join(names())} (default: all)")
    for name in parser.parse_args().names or names():
        print(f"\n== {name}")
        importlib.import_module(f"benchmarks.{name}").main([])


if __name__ == "__main__":
    main()
