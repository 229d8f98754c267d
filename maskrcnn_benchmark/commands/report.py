"""
Writes the report of a run as one HTML file that needs no network: how good it is beside FREQ, which predicates fail and
what they are taken for, the best and worst images with their graphs (where TEST.SAVE_PREDICTIONS kept the predictions),
losses. Several runs are compared with the first.

Example: %(prog)s output/demo/spln
         %(prog)s output/demo/predcls output/demo/spln --output compared.html --pictures 20
"""

from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import Parser, at_least
from maskrcnn_benchmark.utils.log import get_logger, setup_logging


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "output_dirs", nargs="+", metavar="OUTPUT_DIR", help="of a training or an evaluation; several are compared"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="where to write (default: report.html in OUTPUT_DIR; of several, comparison.html in the first)",
    )
    parser.add_argument(
        "--pictures",
        type=at_least(0),
        default=10,
        metavar="N",
        help="at most N images per data set, half best (default 10)",
    )
    args = parser.parse_args(argv)
    from maskrcnn_benchmark.visualization.report import write_report  # after the words are read: takes seconds

    setup_logging()
    path = write_report(args.output_dirs, args.output, pictures=args.pictures)
    get_logger(__name__).info("report: %s", path)
    return 0
