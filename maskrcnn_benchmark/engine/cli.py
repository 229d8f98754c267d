"""
What the command lines check of a config before the work begins. Imports nothing heavy: a fault is named at once.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from maskrcnn_benchmark.config import Config, Task, load_config
from maskrcnn_benchmark.config.paths_catalog import CATALOG_PREFIX, IMAGENET_PREFIX, weights_path
from maskrcnn_benchmark.utils.errors import UserError

# What a picture's graph is written as: the word of tools/predict.py --formats -> what follows the stem.
GRAPH_FILES = {"json": ".json", "jpg": ".jpg", "graph": "_graph.png", "graphml": ".graphml", "dot": ".dot"}


def read_config(file: str, overrides: Sequence[str], *, relation: bool) -> Config:
    """
    The configuration of a relation tool or a detector tool.

    Raises:
        UserError: what load_config finds wrong, or a config of the other kind.
    """
    cfg = load_config(file, overrides)
    if cfg.MODEL.RELATION_ON and not relation:
        raise UserError(f"{file} has MODEL.RELATION_ON True: use tools/relation_train_net.py or relation_test_net.py")
    if relation and not cfg.MODEL.RELATION_ON:
        raise UserError(
            f"{file} has MODEL.RELATION_ON False: use tools/detector_pretrain_net.py or detector_test_net.py"
        )
    if relation:
        Task.from_cfg(cfg)
    return cfg


def require_datasets(cfg: Config, splits: Iterable[str]) -> None:
    """
    UserError if a split ("train", "val", "test") has no data set, or one whose files are missing or whose names are not
    the training data's.
    """
    from maskrcnn_benchmark.data.build import require_names  # heavy
    from maskrcnn_benchmark.data.datasets.catalog import dataset_entry

    for split in splits:
        names = tuple(cfg.DATASETS[split.upper()])
        if not names:
            raise UserError(f"DATASETS.{split.upper()} names no data set")
        for name in names:
            dataset_entry(name).require_files()
            if split != "train":
                require_names(cfg, name)


def require_start_files(cfg: Config) -> None:
    """
    UserError if a training that starts afresh names a weight file that is not there. What the files hold is seen later.
    """
    if (Path(cfg.OUTPUT_DIR) / "last_checkpoint").exists():
        return
    detector, weight = cfg.MODEL.PRETRAINED_DETECTOR_CKPT, cfg.MODEL.WEIGHT
    named = {"MODEL.PRETRAINED_DETECTOR_CKPT": detector}
    if not (detector and weight.startswith(IMAGENET_PREFIX)):  # then the detector's backbone counts
        named["MODEL.WEIGHT"] = weight
    for key, value in named.items():
        if value and not weights_path(value).is_file():
            raise UserError(f"{key} {value}: no such file")


def require_something_to_test(cfg: Config) -> None:
    """UserError if OUTPUT_DIR holds no trained run and MODEL.WEIGHT, as in published configs, only a backbone."""
    weight = cfg.MODEL.WEIGHT
    trained = weight and not weight.startswith(CATALOG_PREFIX)  # the catalog holds backbones alone
    if not trained and not (Path(cfg.OUTPUT_DIR) / "last_checkpoint").exists():
        raise UserError(
            f"nothing to test: OUTPUT_DIR {cfg.OUTPUT_DIR} holds no trained run (no last_checkpoint). Train one into"
            " it, or name a trained model's file as MODEL.WEIGHT"
        )
