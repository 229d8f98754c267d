r"""
Writes the file of visual prototypes, MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH: the mean union feature of each predicate's
annotated training pairs. The same as tools/relation_train_net.py with STORE_UNION True; nothing is trained.

The features are those of the relation head's own union extractor, so MODEL.WEIGHT should be a trained relation model, a
PE-Net for example; at a detector's weights parts of the extractor are still random, and a warning says so. Predicates
without an example get random prototypes.

Example: %(prog)s --config-file configs/demo/predcls.yaml \
             MODEL.WEIGHT output/demo/predcls/model_final.pth --output output/demo/visual_prototypes.pt
"""

from collections.abc import Sequence

from maskrcnn_benchmark.commands.parser import config_parser
from maskrcnn_benchmark.engine.cli import read_config, require_datasets


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    parser = config_parser(__doc__, prog)
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
