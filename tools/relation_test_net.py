"""
Evaluates a relation model: the file given as MODEL.WEIGHT, else the last checkpoint in OUTPUT_DIR.

TEST.CUSTUM_EVAL True predicts the images in TEST.CUSTUM_PATH instead: custom_prediction.json and custom_data_info.json
in DETECTED_SGG_DIR.

Example: python tools/relation_test_net.py --config-file configs/demo/predcls.yaml OUTPUT_DIR output/try
         python tools/relation_test_net.py --config-file configs/demo/predcls.yaml MODEL.WEIGHT
         output/try/model_best.pth
"""

import sys
from collections.abc import Sequence

from maskrcnn_benchmark.engine.cli import config_parser, names_key, read_config, require_datasets
from maskrcnn_benchmark.utils.errors import run_tool


def main(argv: Sequence[str] | None = None) -> int:
    args = config_parser(__doc__).parse_intermixed_args(argv)
    cfg = read_config(args.config_file, args.overrides, relation=True)
    if not cfg.TEST.CUSTUM_EVAL:
        require_datasets(cfg, ["train", cfg.DATASETS.TO_TEST or "test"])
    from maskrcnn_benchmark.engine.commands import run_test  # after the checks: it takes seconds to import

    run_test(cfg, weight_named=names_key(args.overrides, "MODEL.WEIGHT"))
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(main))
