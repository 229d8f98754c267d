"""What a checkpoint says of itself, so that the model can be rebuilt from it alone."""

import os
from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any

from maskrcnn_benchmark import __version__
from maskrcnn_benchmark.config import Config, load_config_text
from maskrcnn_benchmark.config.paths_catalog import CATALOG_PREFIX
from maskrcnn_benchmark.data.meta import NAMES, DatasetMeta
from maskrcnn_benchmark.utils.errors import UserError

# The keys that name files and folders; any other text may hold a slash, too (CONV_BODY timm/...).
PATH_KEYS = (
    "OUTPUT_DIR",
    "GLOVE_DIR",
    "DETECTED_SGG_DIR",
    "MODEL.WEIGHT",
    "MODEL.PRETRAINED_DETECTOR_CKPT",
    "MODEL.ROI_RELATION_HEAD.VIS_PRO_PATH",
    "MODEL.ROI_RELATION_HEAD.CON_PRO_LLAMA_PATH",
    "MODEL.ROI_RELATION_HEAD.CON_PRO_CLIP_PATH",
    "DATASETS.PROPOSALS",
    "DATASETS.ZEROSHOT_FILE",
    "DATALOADER.FEATURE_CACHE",
    "TEST.CUSTUM_PATH",
)
# A folder in which no file can be.
_NOWHERE = os.devnull


def describe(cfg: Config, meta: DatasetMeta | None) -> dict[str, Any]:
    """
    The entries of a checkpoint that are no weights: "config" (YAML without any path), "meta" (names and training
    statistics), "version".

    A path keeps its last part: enough to say that there was a file, nothing about the machine.
    """
    portable = cfg.clone()
    portable.defrost()
    for node, key in _path_entries(portable):
        if not node[key].startswith(CATALOG_PREFIX) and ("/" in node[key] or "\\" in node[key]):
            node[key] = PureWindowsPath(node[key]).name  # takes both kinds of slash
    described = {"config": portable.dump(), "version": __version__}
    return described if meta is None else described | {"meta": meta.to_state()}


def described_model(content: Any, source: str) -> tuple[Config, DatasetMeta]:
    """
    The inverse, for prediction: config and vocabulary of the model whose weights a checkpoint holds.

    The config names no file that is there, for the checkpoint fills tables that were read from files, and leaves out
    what concerns training alone.

    Args:
        content: what the file holds. source: its name in messages.
    Raises:
        UserError: the file says nothing of its model, as those of other programs, or an entry is damaged.
    """
    missing = [key for key in ("config", "meta") if not isinstance(content, Mapping) or key not in content]
    if missing:
        raise UserError(
            f"{source} lacks {' and '.join(missing)}, what model its weights are of: checkpoints of"
            " tools/relation_train_net.py and detector_pretrain_net.py say so; tools/relation_test_net.py takes others"
            " as MODEL.WEIGHT beside a config"
        )
    if not isinstance(content["config"], str):
        kind = type(content["config"]).__name__
        raise UserError(f"{source}: its entry config is a {kind}, not the text of a config: damaged")
    cfg = load_config_text(content["config"], name=f"{source}, entry config")
    cfg.defrost()
    for node, key in _path_entries(cfg):
        node[key] = f"{_NOWHERE}/{node[key]}" if node[key] else ""
    cfg.DATASETS.PROPOSALS = ""
    cfg.MODEL.USE_REWEIGHT = "NONE"
    cfg.MODEL.COMPILE = False
    cfg.freeze()
    return cfg, described_meta(content["meta"], source)


def described_meta(state: Any, source: str) -> DatasetMeta:
    """The names and statistics in a checkpoint's entry "meta". UserError if it is damaged."""
    try:
        for name in NAMES:
            if not isinstance(state[name], (list, tuple)) or not all(isinstance(one, str) for one in state[name]):
                raise TypeError(f"{name} is no list of names")
            if len(set(state[name])) < len(state[name]):
                raise ValueError(f"{name} has a name twice")
        return DatasetMeta.from_state(state)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise UserError(
            f"{source}: its entry meta, the names it was trained on, is damaged ({type(error).__name__}: {error})"
        ) from error


def _path_entries(cfg: Config) -> Iterator[tuple[Config, str]]:
    """(node, key in it) of each of PATH_KEYS."""
    for name in PATH_KEYS:
        *sections, key = name.split(".")
        node = cfg
        for section in sections:
            node = node[section]
        yield node, key
