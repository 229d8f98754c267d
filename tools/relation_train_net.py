"""
Trains a relation model and evaluates it on the test split. Started again, goes on from the last checkpoint in
OUTPUT_DIR.

Example: python tools/relation_train_net.py --config-file configs/demo/predcls.yaml SOLVER.MAX_ITER 200 OUTPUT_DIR
output/try
         torchrun --nproc_per_node 4 tools/relation_train_net.py --config-file configs/demo/predcls.yaml
"""

import sys
from collections.abc import Sequence

from maskrcnn_benchmark.engine.cli import config_parser, read_config, require_datasets, require_start_files
from maskrcnn_benchmark.utils.errors import run_tool


def main(argv: Sequence[str] | None = None) -> int:
    parser = config_parser(__doc__)
    parser.add_argument("--skip-test", action="store_true", help="do not evaluate the final weights")
    args = parser.parse_intermixed_args(argv)
    cfg = read_config(args.config_file, args.overrides, relation=True)
    require_datasets(cfg, ["train"] + ["val"] * cfg.SOLVER.TO_VAL + ["test"] * (not args.skip_test))
    require_start_files(cfg)
    from maskrcnn_benchmark.engine.commands import run_training  # after the checks: it takes seconds to import

    run_training(cfg, skip_test=args.skip_test)
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
