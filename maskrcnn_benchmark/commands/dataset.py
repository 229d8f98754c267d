"""
Turns your own images and annotations into a data set to train on, writes configs for it, or looks any data set over.

Example: %(prog)s export.json --images photos/ --folder datasets/birds
         %(prog)s --check birds --thorough
         %(prog)s --config birds

Annotations are, by what a file holds: Label Studio's JSON export with rectangles and relations; COCO's json with
rel_annotations and rel_categories; a folder of YOLO's text files with relations.csv beside them; or a plain JSON list
of {"file": "a.jpg", "objects": [{"box": [x1, y1, x2, y2], "label": "bird", "attributes": ["blue"]}, ...], "relations":
[[0, "sitting on", 1], ...], "split": "train"}: boxes in pixels, relations by positions in "objects" from 0;
"attributes", "relations" and "split" may be left out. docs/own_data.md goes all the way from photos to a graph.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, setup_logging

logger = get_logger(__name__)

_CONFIG_HELP = "write configs/<name>/: detector, PE-Net and SPLN for that data set"


def parse_args(argv: Sequence[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, prog)
    parser.add_argument("annotations", nargs="*", help="files or YOLO folders to convert; several are joined")
    parser.add_argument("--images", help="folder of the images (default: the first file's)")
    parser.add_argument("--folder", help="where to write, such as datasets/birds")
    parser.add_argument(
        "--relations", metavar="CSV", help="relations between YOLO's boxes (default: relations.csv beside them)"
    )
    parser.add_argument(
        "--vocabulary", help="JSON with the lists objects, predicates, attributes, to fix names and their order"
    )
    usual = "(default: a tenth, ten images at least, a fifth at most)"
    parser.add_argument("--val", type=float, help=f"share of images without a split that becomes val {usual}")
    parser.add_argument("--test", type=float, help="share that becomes test (default: likewise)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn splits (default 0)")
    parser.add_argument("--skip-bad", action="store_true", help="leave bad entries out instead of writing nothing")
    parser.add_argument(
        "--check", metavar="DIR|NAME", help="look over a data set folder, or a data set by its catalog name"
    )
    _add_check_options(parser, "with --check: ")
    parser.add_argument("--config", metavar="DIR|NAME", help=_CONFIG_HELP)
    return parser.parse_args(argv)


def _add_check_options(parser: Parser, when: str = "") -> None:
    parser.add_argument("--thorough", action="store_true", help=f"{when}decode every image")
    parser.add_argument("--page", help=f"{when}where the summary page goes (default output/check/<name>.html)")


def check(args: argparse.Namespace) -> int:
    """Logs the findings, writes the page; 1 if there is an error among them."""
    from maskrcnn_benchmark.data.check import check_dataset  # after the words are read: takes seconds
    from maskrcnn_benchmark.visualization.dataset_page import write_page

    report = check_dataset(args.check, thorough=args.thorough)
    for name, split in report.splits.items():
        counts = (
            f"{split.images_with_relations:8d} with a relation, {split.boxes:9d} boxes, {split.relations:8d} relations"
        )
        logger.info(f"{name:<5} {split.images:8d} images, {counts}")
    for finding in report.findings:
        logger.info(finding.line())
    page = Path(args.page or f"output/check/{report.name}.html")
    write_page(report, page)
    logger.info(f"{report.name}: {report.errors or 'no'} errors; the summary is {page}")
    return 1 if report.errors else 0


def configure(target: str) -> int:
    """Writes the configs of a data set and logs how to train with them."""
    from maskrcnn_benchmark.data.custom import environment, write_configs  # after the words are read: takes seconds

    folder = write_configs(target)
    prefix = environment(target) if Path(target).is_dir() else ""
    logger.info("%s: data.yaml, detector.yaml, predcls.yaml, spln.yaml, descriptions.json", folder)
    logger.info("next: %spython tools/detector_pretrain_net.py --config-file %s/detector.yaml", prefix, folder)
    return 0


def convert(args: argparse.Namespace) -> int:
    """Writes the data set and logs what it holds."""
    if not args.annotations or not args.folder:
        raise UserError("name a JSON file and --folder to write to, or --check a data set; --help shows examples")
    # After the words are read: takes seconds.
    from maskrcnn_benchmark.data.custom import Vocabulary, environment, make_dataset

    made = make_dataset(
        args.annotations,
        args.images or Path(args.annotations[0]).parent,
        args.folder,
        relations=args.relations,
        vocabulary=Vocabulary.from_file(args.vocabulary) if args.vocabulary else None,
        val=args.val,
        test=args.test,
        seed=args.seed,
        skip_bad=args.skip_bad,
    )
    logger.info(f"{args.folder}: {', '.join(f'{count} {what}' for what, count in made.items())}")
    name = os.path.basename(os.path.abspath(args.folder))
    logger.info(f"next: {environment(args.folder)}python tools/make_dataset.py --config {name}")
    return 0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    args = parse_args(argv, prog)
    setup_logging()
    if args.check:
        return check(args)
    return configure(args.config) if args.config else convert(args)


def check_main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """--check as a command of its own."""
    purpose = "Looks a data set over and writes a page that sums it up."
    parser = Parser(f"{purpose}\n\nExample: %(prog)s datasets/birds --thorough", prog)
    parser.add_argument("check", metavar="DIR|NAME", help="a data set's folder, or its name in the catalog")
    _add_check_options(parser)
    args = parser.parse_args(argv)
    setup_logging()
    return check(args)


def config_main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """--config as a command of its own."""
    parser = Parser("Writes configs/<name>/ for a data set.\n\nExample: %(prog)s birds", prog)
    parser.add_argument("config", metavar="DIR|NAME", help=_CONFIG_HELP)
    args = parser.parse_args(argv)
    setup_logging()
    return configure(args.config)
