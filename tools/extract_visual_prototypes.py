"""
Writes the file of visual prototypes, MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH: the mean union feature of each predicate's annotated training
pairs. The same as tools/relation_train_net.py with STORE_UNION True; nothing is trained.

VIS_PRO_FEATURES says whose features: detector (a detector's weights do), relation (MODEL.WEIGHT is a trained relation model), or auto: the
relation model's where one is loaded, else the detector's. The file records which.

Example: python tools/extract_visual_prototypes.py --config-file configs/demo/predcls.yaml MODEL.PRETRAINED_DETECTOR_CKPT output/demo/detector/model_final.pth MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH output/demo/vis_protos.pt
"""  # noqa: E501

import sys
from collections.abc import Sequence

from maskrcnn_benchmark.engine.cli import config_parser, read_config, require_datasets
from maskrcnn_benchmark.utils.errors import run_tool


def main(argv: Sequence[str] | None = None) -> int:
    parser = config_parser(__doc__)
    parser.add_argument("--output", metavar="FILE", help="file to write (default: VIS_PRO_PATH)")
    args = parser.parse_intermixed_args(argv)
    head = "MODEL.ROI_RELATION_HEAD."
    overrides = [*args.overrides, head + "STORE_UNION", "True"]
    overrides += [head + "VIS_PRO_PATH", args.output] if args.output else []
    cfg = read_config(args.config_file, overrides, relation=True)
    require_datasets(cfg, ["train"])
    from maskrcnn_benchmark.engine.commands import run_training  # after the checks: it takes seconds to import

    run_training(cfg, skip_test=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
