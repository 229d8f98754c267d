"""
Writes a trained relation model for other programs: an ONNX graph, a torch.export program, or its weights alone.

Example: python tools/export.py output/try/model_best.pth model.onnx
         python tools/export.py output/try/model_best.pth head.pt2 --part relation_head
         python tools/export.py output/try/model_best.pth model.safetensors
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from maskrcnn_benchmark.utils.errors import UserError, run_tool

SUFFIXES = {".onnx": "onnx", ".pt2": "torch_export", ".safetensors": "safetensors"}
PARTS = ("relation_head", "predcls", "sgcls", "sgdet")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a trained relation model, such as output/try/model_best.pth")
    parser.add_argument("target", type=Path, help="file to write: .onnx, .pt2 or .safetensors")
    parser.add_argument(
        "--format", choices=tuple(SUFFIXES.values()), help="form of the target (default: what its suffix says)"
    )
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="of a graph: relation_head, from features to logits; or from an image to its graph, where boxes and labels"
        " (predcls), boxes (sgcls) or nothing (sgdet) is given (default: what the model was trained for)",
    )
    parser.add_argument(
        "--check", metavar="IMAGE", help="picture that the written graph is compared with the model on (default: noise)"
    )
    args = parser.parse_args(argv)
    args.format = args.format or SUFFIXES.get(args.target.suffix)
    if args.format is None:
        parser.error(f"{args.target}: say what to write by a suffix ({', '.join(SUFFIXES)}) or --format")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    # After the command line is read: these take seconds to import.
    from maskrcnn_benchmark.data.image_files import read_image
    from maskrcnn_benchmark.engine.export.weights import write_weights
    from maskrcnn_benchmark.engine.export.write import Export
    from maskrcnn_benchmark.engine.prediction import SceneGraphModel
    from maskrcnn_benchmark.utils.log import get_logger, setup_logging

    setup_logging()
    logger = get_logger(__name__)
    if args.format == "safetensors":
        if args.part or args.check:
            raise UserError("--part and --check belong to graphs; a .safetensors file holds all weights of the model")
        write_weights(args.checkpoint, args.target)
        logger.info(f"{args.target}: weights, config and names; SceneGraphModel.from_checkpoint reads it")
        return 0
    model = SceneGraphModel.from_checkpoint(args.checkpoint, "cpu")
    image = read_image(args.check, upright=True) if args.check else None
    logger.info("tracing the model; minutes for one of full size")
    export = Export(model, args.part or str(model.task).lower(), image)
    differences = (export.write_onnx if args.format == "onnx" else export.write_program)(args.target)
    logger.info(f"{args.target}: {export.part}, takes {', '.join(export.inputs)}")
    for name, difference in differences.items():
        logger.info(f"  {name}: differs from the model by at most {difference:.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
