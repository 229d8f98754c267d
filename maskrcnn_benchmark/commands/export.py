"""Writes a trained relation model for other programs: an ONNX graph, a torch.export program, or its weights alone.

Example: %(prog)s output/try/model_best.pth model.onnx
         %(prog)s output/try/model_best.pth head.pt2 --part relation_head
         %(prog)s output/try/model_best.pth model.safetensors
"""

from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.commands.parser import Parser
from maskrcnn_benchmark.engine.export import PARTS
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger, setup_logging

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}
logger = get_logger(__name__)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = Parser(__doc__, prog)
    parser.add_argument("checkpoint", help="a trained relation model, such as output/try/model_best.pth")
    parser.add_argument("target", type=Path, help="file to write: .onnx, .pt2 or .safetensors")
    parser.add_argument("--format", choices=tuple(SUFFIXES), help="form of the target (default: as its suffix says)")
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="of a graph: relation_head, from features to logits; or from an image to its graph, where boxes and labels"
        " (predcls), boxes (sgcls) or nothing (sgdet) is given (default: what the model was trained for)",
    )
    parser.add_argument(
        "--check", metavar="IMAGE", help="picture that the graph is compared with the model on (default: noise)"
    )
    args = parser.parse_args(argv)
    by_suffix = {suffix: form for form, suffix in SUFFIXES.items()}
    form = args.format or by_suffix.get(args.target.suffix)
    if form is None:
        parser.error(f"{args.target}: say what to write by its suffix ({', '.join(by_suffix)}) or by --format")
    if args.target.resolve() == Path(args.checkpoint).resolve():
        raise UserError(f"{args.target} is the checkpoint itself: name another file to write")
    setup_logging()
    if form == "safetensors":
        return _write_weights(args)
    return _write_graph(args, form)


def _write_weights(args) -> int:
    # After the words are read: this takes seconds to import.
    from maskrcnn_benchmark.engine.export.write import write_weights

    if args.part or args.check:
        raise UserError("--part and --check belong to graphs; a .safetensors file holds all weights of the model")
    write_weights(args.checkpoint, args.target)
    logger.info(f"{args.target}: weights, config and names, which prediction reads as it reads the checkpoint")
    return 0


def _write_graph(args, form: str) -> int:
    from maskrcnn_benchmark.data.image_files import read_image
    from maskrcnn_benchmark.engine.export.write import Export
    from maskrcnn_benchmark.engine.prediction import SceneGraphModel

    model = SceneGraphModel.from_checkpoint(args.checkpoint, "cpu")
    image = read_image(args.check, upright=True) if args.check else None
    logger.info(f"tracing {args.checkpoint}: minutes for a whole model")
    export = Export(model, args.part or str(model.task), image)
    differences = export.write_onnx(args.target) if form == "onnx" else export.write_program(args.target)
    logger.info(f"{args.target}: {export.part}; takes {', '.join(export.inputs)}")
    for name, difference in differences.items():
        logger.info(f"  {name}: at most {difference:.1e} from the model's")
    return 0
