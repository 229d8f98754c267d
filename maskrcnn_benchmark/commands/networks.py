"""Training and evaluation of relation models and detectors: the four published tools on one main."""

from collections.abc import Sequence
from functools import partial

from maskrcnn_benchmark.commands.parser import config_parser, running_script
from maskrcnn_benchmark.engine.cli import (
    read_config,
    require_datasets,
    require_something_to_test,
    require_start_files,
)

_TRAIN = """
Trains a {model} and evaluates it on the test split. Started again, goes on from the last checkpoint in OUTPUT_DIR.

Example: %(prog)s --config-file {config} SOLVER.MAX_ITER 200
         torchrun --nproc_per_node 4 {launched} --config-file {config}
"""
_TEST = """
Evaluates a {model}: the file given as MODEL.WEIGHT, else the last checkpoint in OUTPUT_DIR.

Example: %(prog)s --config-file {config} OUTPUT_DIR output/try
         %(prog)s --config-file {config} MODEL.WEIGHT output/try/model_best.pth
"""
_CUSTOM = """
TEST.CUSTUM_EVAL True predicts the images in TEST.CUSTUM_PATH instead: custom_prediction.json and custom_data_info.json
in DETECTED_SGG_DIR.
"""


def main(argv: Sequence[str] | None = None, prog: str | None = None, *, relation: bool, training: bool) -> int:
    prog = prog or running_script()
    words = {
        "model": "relation model" if relation else "Faster R-CNN",
        "config": "configs/demo/predcls.yaml" if relation else "configs/demo/detector.yaml",
        "launched": prog.removeprefix("python ").replace("sgg", "-m maskrcnn_benchmark", 1),
    }
    parser = config_parser((_TRAIN if training else _TEST + _CUSTOM * relation).format(**words), prog)
    if training:
        parser.add_argument("--skip-test", action="store_true", help="do not evaluate the final weights")
    args = parser.parse_intermixed_args(argv)
    cfg = read_config(args.config_file, args.overrides, relation=relation)
    if training:
        require_datasets(cfg, ["train"] + ["val"] * cfg.SOLVER.TO_VAL + ["test"] * (not args.skip_test))
        require_start_files(cfg)
        from maskrcnn_benchmark.engine.commands import run_training  # after the checks: it takes seconds to import

        run_training(cfg, skip_test=args.skip_test)
        return 0
    weight_named = bool(cfg.MODEL.WEIGHT) and "MODEL.WEIGHT" in args.overrides[::2]
    if not weight_named:
        require_something_to_test(cfg)
    if not (relation and cfg.TEST.CUSTUM_EVAL):
        require_datasets(cfg, ["train", cfg.DATASETS.TO_TEST or "test"])
    from maskrcnn_benchmark.engine.commands import run_test

    run_test(cfg, weight_named=weight_named)
    return 0


train_relation = partial(main, relation=True, training=True)
test_relation = partial(main, relation=True, training=False)
train_detector = partial(main, relation=False, training=True)
test_detector = partial(main, relation=False, training=False)
