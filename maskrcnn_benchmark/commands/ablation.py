"""
The quality benchmark: trains FREQ, Motifs, PE-Net and the versions of SPLN on the rendered data set `scenes` and
compares them in docs/ablation.md. What is finished under --output is not trained again.

Example: %(prog)s
         %(prog)s --quick
"""

import os
from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser, at_least


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "--quick", action="store_true", help="fewer images, updates, seeds: a quarter of an hour, not one and a half"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder of the runs (default: output/ablation, with --quick output/ablation-quick)",
    )
    parser.add_argument(
        "--page", metavar="FILE", help="page to write (default: docs/ablation.md, with --quick ablation.md in --output)"
    )
    parser.add_argument("--device", default=None, help="cpu, cuda, ... (default: cuda if there is one)")
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=len(os.sched_getaffinity(0)),
        help="trainings at a time (default: one a core)",
    )
    parser.add_argument("overrides", metavar="KEY VALUE", nargs="*", help="configuration keys and values for every run")
    args = parser.parse_args(argv)
    import torch  # after the command line: it takes seconds

    from maskrcnn_benchmark.engine.ablation.compare import compare
    from maskrcnn_benchmark.engine.ablation.plan import FULL, QUICK

    output = Path(args.output or ("output/ablation-quick" if args.quick else "output/ablation"))
    page = Path(args.page or (output / "ablation.md" if args.quick else "docs/ablation.md"))
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    compare(QUICK if args.quick else FULL, output, page, device=device, jobs=args.jobs, overrides=args.overrides)
    return 0
