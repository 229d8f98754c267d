"""
Writes the visual prototypes, the mean union feature of each predicate's annotated training pairs, to
MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH. The same as a training with ROI_RELATION_HEAD.STORE_UNION True; nothing is trained.

Example: python tools/extract_visual_prototypes.py --config-file configs/demo/predcls.yaml \\
             MODEL.PRETRAINED_DETECTOR_CKPT output/demo/detector/model_final.pth \\
             MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH output/demo/vis_protos.pt
"""

import sys
from collections.abc import Sequence

from maskrcnn_benchmark.engine.cli import config_parser, read_config, require_datasets
from maskrcnn_benchmark.utils.errors import run_tool


def main(argv: Sequence[str] | None = None) -> int:
    args = config_parser(__doc__).parse_intermixed_args(argv)
    cfg = read_config(args.config_file, [*args.overrides, "MODEL.ROI_RELATION_HEAD.STORE_UNION", "True"], relation=True)
    require_datasets(cfg, ["train"])
    from maskrcnn_benchmark.engine.commands import run_training  # after the checks: it takes seconds to import

    run_training(cfg, skip_test=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
