"""Side by side in one process: a plain reference and the product on the same inputs, in turn."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from maskrcnn_benchmark.utils.files import write_json


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call; waits for the GPU where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(
    name: str,
    reference: Callable[[], object],
    product: Callable[[], object],
    repeats: int = 9,
    *,
    floor_seconds: float | None = None,
) -> dict:
    """
    Times both, one call of each in turn, after one call of each that is not counted.

    Args:
        name: what is measured.
        reference, product: take nothing; inputs are made before.
        repeats: counted calls of each.
        floor_seconds: the least time that the machine could need (see `Machine.floor`), for the fraction of the
            roofline.
    Returns:
        name, threads, repeats; reference_ms and product_ms (medians); ratio of the medians, how many times faster the
        product is; ratio_quartiles of the single rounds; roofline, the floor over the product's median, or None.
    """
    reference(), product()
    theirs, ours = [], []
    for _ in range(repeats):
        theirs.append(seconds(reference))
        ours.append(seconds(product))
    rounds = [a / b for a, b in zip(theirs, ours, strict=True)]
    quartiles = statistics.quantiles(rounds, n=4) if repeats > 1 else [rounds[0]] * 3
    return {
        "name": name,
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "reference_ms": 1e3 * statistics.median(theirs),
        "product_ms": 1e3 * statistics.median(ours),
        "ratio": statistics.median(theirs) / statistics.median(ours),
        "ratio_quartiles": [quartiles[0], quartiles[2]],
        "roofline": floor_seconds / statistics.median(ours) if floor_seconds else None,
    }


class Machine:
    """
    What this machine does at best with the present number of threads: float32 multiply-adds and bytes copied a second,
    measured.
    """

    def __init__(self, side: int = 1024, mebibytes: int = 64):
        a, b = torch.randn(side, side), torch.randn(side, side)
        source = torch.randn(mebibytes << 18)
        target = torch.empty_like(source)
        self.multiply_adds = side**3 / min(seconds(lambda: torch.mm(a, b)) for _ in range(10))
        self.bytes = 2 * 4 * source.numel() / min(seconds(lambda: target.copy_(source)) for _ in range(10))

    def floor(self, multiply_adds: float = 0, moved_bytes: float = 0) -> float:
        """Seconds that the work takes at those rates."""
        return max(multiply_adds / self.multiply_adds, moved_bytes / self.bytes)


def show(results: list[dict]) -> None:
    """One line a result: medians, ratio with the quartiles of its rounds, fraction of the roofline."""
    width = max(len(result["name"]) for result in results)
    for result in results:
        low, high = result["ratio_quartiles"]
        line = f"{result['name']:{width}}  {result['reference_ms']:9.2f} ms  {result['product_ms']:9.2f} ms  "
        line += f"{result['ratio']:7.1f} x  ({low:.1f} to {high:.1f})"
        print(line + (f"  {result['roofline']:.0%} of the roofline" if result["roofline"] else ""))


def run_suite(
    run: Callable[[int], list[dict]], description: str, name: str, columns: str, argv: list[str] | None
) -> None:
    """The command line of a suite: `run` takes the number of rounds; `columns` says what two times are shown."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path(f"output/bench/{name}.json"))
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(f"{args.threads} threads; {columns}, how many times faster (quartiles of the rounds)")
    results = run(args.repeats)
    show(results)
    write_json(args.output, results)
