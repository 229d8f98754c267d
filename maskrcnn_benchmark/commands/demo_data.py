"""
Renders the demo data set `scenes` from a seed, in the layout of Visual Genome's files. Nothing is downloaded.

Example: %(prog)s
         %(prog)s --images 100000 --folder datasets/scenes_large --workers 16
"""

import os
from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import Parser, at_least
from maskrcnn_benchmark.config.paths_catalog import data_dir
from maskrcnn_benchmark.utils.log import get_logger, setup_logging


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "--folder", default=str(data_dir() / "scenes"), help="where to write (default: scenes in DATA_DIR)"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--size",
        choices=("full", "small"),
        help="full (default): 1,000 train, 100 val, 1,000 test; small: 400, 50, 200",
    )
    size.add_argument("--images", type=int, help="images in all instead, split 10 : 1 : 10")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes (default 0)")
    parser.add_argument(
        "--workers", type=at_least(1), default=len(os.sched_getaffinity(0)), help="processes (default: one a core)"
    )
    parser.add_argument("--force", action="store_true", help="draw again what is there already")
    args = parser.parse_args(argv)
    # After the words are read: takes seconds.
    from maskrcnn_benchmark.data.scenes.write import SMALL, Sizes, write_scenes

    setup_logging()
    sizes = Sizes.of_total(args.images) if args.images is not None else SMALL if args.size == "small" else Sizes()
    made = write_scenes(args.folder, sizes, seed=args.seed, workers=args.workers, force=args.force)
    counts = f"{sizes.train} train, {sizes.val} val, {sizes.test} test images"
    get_logger(__name__).info(
        "%s: %s, %s", args.folder, counts, "drawn" if made else "already there, as asked for (--force draws them again)"
    )
    return 0
