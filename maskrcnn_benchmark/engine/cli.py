"""
The command line that the training and evaluation tools share. Imports nothing heavy: a wrong word is answered at once.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from maskrcnn_benchmark.config import Config, Task, load_config
from maskrcnn_benchmark.config.paths_catalog import IMAGENET_PREFIX, weights_path
from maskrcnn_benchmark.utils.errors import UserError


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, like every other error of the tools."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; {self.prog} --help shows what there is")


def config_parser(description: str) -> argparse.ArgumentParser:
    """
    A parser for `--config-file FILE [KEY VALUE ...]`, also as older launchers call it (--local_rank, --local-rank:
    ignored).

    Its parse_intermixed_args takes options before, between and after the keys.

    Args:
        description: the tool's docstring; it holds the line "Example: ...".
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config-file", required=True, metavar="FILE", help="configuration, such as configs/demo/predcls.yaml"
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        "overrides",
        metavar="KEY VALUE",
        nargs="*",
        help="configuration keys and values that override the file's, such as SOLVER.MAX_ITER 20",
    )
    return parser


def names_key(overrides: Sequence[str], key: str) -> bool:
    """Whether the KEY VALUE words of a command line set this key."""
    return key in overrides[::2]


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
    """UserError if a split ("train", "val", "test") has no data set, or the files of one are missing."""
    from maskrcnn_benchmark.data.datasets.catalog import dataset_entry  # heavy

    for split in splits:
        names = tuple(cfg.DATASETS[split.upper()])
        if not names:
            raise UserError(f"DATASETS.{split.upper()} names no data set")
        for name in names:
            dataset_entry(name).require_files()


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
