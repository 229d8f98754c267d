"""
Scene graphs of pictures from a trained checkpoint alone: DIR/<stem>.json and DIR/<stem>.jpg a picture.

Pictures are image files, folders of them, globs, videos and numbers of webcams; what cannot be read is named and left
out.

Example: %(prog)s photo.jpg --checkpoint output/try/model_best.pth --output output/graphs
         %(prog)s photos/ 'more/**/*.png' --checkpoint model_final.pth --output graphs --formats json dot
         %(prog)s clip.mp4 --checkpoint model_final.pth --output graphs --every 25 --min-score 0.1
         %(prog)s photos/ --checkpoint predcls/model_final.pth --output graphs --boxes boxes.json
"""

from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser, at_least, share
from maskrcnn_benchmark.engine.cli import GRAPH_FILES
from maskrcnn_benchmark.utils.errors import UserError


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument(
        "pictures", nargs="+", metavar="IMAGE|FOLDER|GLOB|VIDEO|WEBCAM", help="what to look at; a webcam by its number"
    )
    parser.add_argument(
        "--checkpoint", required=True, metavar="FILE", help="a trained model, such as output/try/model_best.pth"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="where the graphs go")
    parser.add_argument("--formats", nargs="+", choices=GRAPH_FILES, default=["json", "jpg"],
                        help="json: the graph; jpg: the picture with boxes and arrows; graph: nodes and arrows, "
                             "<stem>_graph.png; graphml; dot (default: json jpg)")  # fmt: skip
    parser.add_argument("--boxes", metavar="FILE",
                        help='boxes that are given: JSON {"photo.jpg": {"boxes": [[x1, y1, x2, y2]], "labels": '
                             '["cat"]}}; without "labels" their classes are found')  # fmt: skip
    parser.add_argument(
        "--top", type=at_least(1), default=100, metavar="K", help="relations of a picture, the best ones (default 100)"
    )
    parser.add_argument(
        "--min-score", type=share, default=0.0, help="smallest score of a relation: predicate x subject x object"
    )
    parser.add_argument(
        "--min-object-score",
        type=share,
        default=0.0,
        help="smallest score of an object; others go with their relations",
    )
    for part in ("subject", "predicate", "object"):
        parser.add_argument(
            f"--{part}", nargs="+", default=[], metavar="NAME", help=f"only relations with such a {part}"
        )
    parser.add_argument(
        "--terms", action="store_true", help="what each relation's score is made of (SPLN), in json and graphml"
    )
    parser.add_argument(
        "--drawn", type=at_least(1), default=12, metavar="K", help="relations drawn into a picture (default 12)"
    )
    parser.add_argument(
        "--batch", type=at_least(1), default=1, metavar="N", help="pictures worked on together (default 1)"
    )
    parser.add_argument(
        "--every", type=at_least(1), default=1, metavar="N", help="of a video or webcam every N-th frame (default 1)"
    )
    parser.add_argument(
        "--frames", type=at_least(1), metavar="N", help="frames of a video or webcam at most (default: all)"
    )
    parser.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU where there is one)")
    args = parser.parse_args(argv)
    # After the words are read: these take seconds to import.
    from maskrcnn_benchmark.engine import picture_sources
    from maskrcnn_benchmark.engine.predict_files import Prediction, require_other_folder
    from maskrcnn_benchmark.engine.prediction import SceneGraphModel
    from maskrcnn_benchmark.engine.prediction_input import require_known
    from maskrcnn_benchmark.utils.log import setup_logging

    setup_logging()
    frames = picture_sources.Frames(args.every, args.frames)
    sources, output = picture_sources.find_sources(args.pictures), Path(args.output)
    if not sources:
        raise UserError(f"{', '.join(args.pictures)}: no file there to look at")
    require_other_folder(output, sources)
    given = picture_sources.read_given_boxes(args.boxes) if args.boxes else None
    if given is not None:
        picture_sources.require_joined(given, sources, args.boxes)
    model = SceneGraphModel.from_checkpoint(args.checkpoint, args.device)
    require_known(args.subject, model.objects, "--subject")
    require_known(args.object, model.objects, "--object")
    require_known(args.predicate, model.predicates, "--predicate")
    filters = {
        "subjects": args.subject,
        "predicates": args.predicate,
        "objects": args.object,
        "max_relations": args.top,
        "min_score": args.min_score,
        "min_object_score": args.min_object_score,
    }
    prediction = Prediction(
        model, output, args.formats, filters, given=given, batch=args.batch, drawn=args.drawn, terms=args.terms
    )
    written = prediction.run(picture_sources.pictures(sources, frames), picture_sources.count_pictures(sources, frames))
    return 0 if written else 2
