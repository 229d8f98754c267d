"""
Figures of saved predictions, anybody's, without a model: a table, metrics.json, confidence intervals, a comparison of
two files.

The file is an .npz, a folder of them or a .json (docs/metrics.md describes both forms). TEST.SAVE_PREDICTIONS True
writes one.

Example: %(prog)s output/try/inference/scenes_test/predictions
         %(prog)s mine.npz --compare theirs.npz --bootstrap 1000
         %(prog)s mine.json --mode sgdet --dataset scenes_test --train-dataset scenes_train
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser, at_least
from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument("file", help="predictions: .npz, folder of .npz, or .json")
    parser.add_argument(
        "--compare", metavar="FILE", help="other predictions of the same images: differences, this file minus that one"
    )
    parser.add_argument("--mode", choices=[str(task) for task in Task], help="default: what the file says")
    parser.add_argument(
        "--dataset", metavar="NAME", help="take the ground truth from this data set, by image_id, not from the file"
    )
    parser.add_argument(
        "--train-dataset", metavar="NAME", help="zero-shot triplets, head, body, tail and FREQ from this training split"
    )
    parser.add_argument(
        "--zeroshot", metavar="FILE", help="list of zero-shot triplets, .npy or the published zeroshot_triplet.pytorch"
    )
    parser.add_argument(
        "--rel-nms",
        action="store_true",
        help="pairs of the same things compete for their predicates, as PE-Net published",
    )
    parser.add_argument(
        "--iou-threshold", type=float, default=0.5, help="overlap from which a box is found (default 0.5)"
    )
    parser.add_argument("--open-images", action="store_true", help="the figures of the Open Images challenge too")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="with --dataset: the file may hold a part of its images; the figures say so",
    )
    parser.add_argument(
        "--bootstrap",
        type=at_least(0),
        metavar="N",
        default=0,
        help="95 %% intervals from N draws of the images, such as 1000",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        help="figures with intervals (default: those with FREQ's beside them, such as R, mR and F)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default 0)")
    parser.add_argument("--output", metavar="FILE", help="write the figures there as JSON")
    args = parser.parse_args(argv)
    inputs = [Path(file).resolve() for file in (args.file, args.compare) if file]
    if args.output and Path(args.output).resolve() in inputs:
        raise UserError(f"--output {args.output} holds the predictions themselves: name another file to write")
    # After the words are read: these take seconds to import.
    from maskrcnn_benchmark.evaluation import table
    from maskrcnn_benchmark.evaluation.bootstrap import bootstrap, paired_bootstrap
    from maskrcnn_benchmark.evaluation.figures import K_VALUES, freq_figures
    from maskrcnn_benchmark.evaluation.predictions import PredictionFile
    from maskrcnn_benchmark.evaluation.saved import Names, Setting, check_names, evaluate_saved
    from maskrcnn_benchmark.utils.files import write_json
    from maskrcnn_benchmark.utils.log import setup_logging

    setup_logging()
    setting = Setting(
        mode=args.mode,
        dataset=args.dataset,
        train_dataset=args.train_dataset,
        zeroshot=args.zeroshot,
        iou_threshold=args.iou_threshold,
        rel_nms=args.rel_nms,
        open_images=args.open_images,
        partial=args.partial,
    )
    draws = {"samples": args.bootstrap or 1000, "seed": args.seed}
    names = args.metrics or [figure.name for figure in freq_figures()]
    file = PredictionFile(args.file)
    evaluator, metrics = evaluate_saved(file, setting)
    texts = [table.metrics_table(metrics)]
    if args.open_images:
        texts.append(table.open_images_table(metrics["open_images"]))
    if args.bootstrap:
        metrics["intervals"] = {
            f"{name}@{k}": bootstrap(evaluator, name, k, **draws) for name in names for k in K_VALUES
        }
        texts.append(table.interval_table(metrics["intervals"]))
    if args.compare:
        other_file = PredictionFile(args.compare)
        check_names(Names.of_file(file, "this file"), Names.of_file(other_file, "that one"))
        other, other_metrics = evaluate_saved(other_file, setting)
        differences = {
            f"{name}@{k}": paired_bootstrap(evaluator, other, name, k, **draws) for name in names for k in K_VALUES
        }
        metrics["compared_with"] = {"file": args.compare, "differences": differences, "metrics": other_metrics}
        texts.append(table.difference_table(differences))
    note = table.coverage_text(metrics)
    text = "\n\n".join([texts[0], *(f"{text}\n{note}" if note else text for text in texts[1:])])
    sys.stdout.write(printable(text) + "\n")
    if args.output:
        write_json(args.output, metrics)
    return 0
