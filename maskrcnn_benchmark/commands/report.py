"""
Writes the report of a run as one HTML file that needs no network: recall table beside FREQ, recall by predicate,
confusion, losses, sample pictures (from OUTPUT_DIR/pictures, or drawn where TEST.SAVE_PREDICTIONS kept the
predictions).

Example: %(prog)s output/demo/spln
         %(prog)s output/try --output try.html --pictures 20
"""

import argparse
from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import Parser
from maskrcnn_benchmark.utils.log import get_logger, setup_logging


def parse_args(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("output_dir", help="OUTPUT_DIR of a training or an evaluation")
    parser.add_argument("--output", metavar="FILE", help="where to write (default: report.html in OUTPUT_DIR)")
    parser.add_argument(
        "--pictures", type=int, default=10, metavar="N", help="at most N pictures a data set (default 10)"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, prog: str = "python tools/report.py") -> int:
    args = parse_args(argv, prog)
    from maskrcnn_benchmark.visualization.report import write_report  # after the words are read: takes seconds

    setup_logging()
    path = write_report(args.output_dir, args.output, pictures=args.pictures)
    get_logger(__name__).info("report: %s", path)
    return 0
