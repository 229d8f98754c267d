"""From files and overrides to the frozen configuration of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config.defaults import default_config
from maskrcnn_benchmark.config.node import Config, leaves
from maskrcnn_benchmark.config.ranges import check_ranges
from maskrcnn_benchmark.config.yaml_text import parse_yaml
from maskrcnn_benchmark.utils.errors import UserError

# Keys that take one of a few words, or a list of them.
CHOICES = {
    "DTYPE": ("float32", "float16", "bfloat16"),
    "MODEL.USE_REWEIGHT": ("NONE", "PENET", "CLASS_BALANCED"),
    "MODEL.ROI_RELATION_HEAD.CON_PRO_TYPE": ("NONE", "LLAMA", "CLIP"),
    "MODEL.ROI_RELATION_HEAD.CAUSAL.CONTEXT_LAYER": ("motifs", "vctree", "vtranse"),
    "MODEL.ROI_RELATION_HEAD.CAUSAL.FUSION_TYPE": ("sum", "gate"),
    "MODEL.ROI_RELATION_HEAD.CAUSAL.EFFECT_TYPE": ("none", "TDE", "NIE", "TE"),
    "SOLVER.SCHEDULE.TYPE": ("WarmupMultiStepLR", "WarmupReduceLROnPlateau"),
    "SOLVER.WARMUP_METHOD": ("linear", "constant"),
    "LOG.WRITERS": ("tensorboard", "wandb", "mlflow"),
    "DATASETS.TO_TEST": (None, "train", "val", "test"),
}

# Keys that take a list of names.
NAMES = ("MODEL.IGNORE_WEIGHTS", "DATASETS.TRAIN", "DATASETS.VAL", "DATASETS.TEST")


def load_config(file: str | Path | None, overrides: Sequence[Any] = ()) -> Config:
    """
    A new frozen configuration: the defaults, then the file (its `_BASE_` first), then the overrides.

    Args:
        file: a YAML file; None or "" for the defaults alone.
        overrides: keys and values in turn, as they follow a command's options; values may be text or Python values.
    Raises:
        UserError: no such file, no YAML, an unknown key (the nearest known one is named), a value of the wrong type or
            out of range, a key without value.
    """
    config = default_config()
    if file:
        config.merge_from_file(file)
    return _finish(config, overrides)


def load_config_text(text: str, overrides: Sequence[Any] = (), *, name: str = "config") -> Config:
    """As load_config, from YAML text such as the one in a checkpoint; `name` stands for it in messages."""
    config = default_config()
    config.merge_from_other_cfg(parse_yaml(text, name), f"{name}: ")
    return _finish(config, overrides)


def _finish(config: Config, overrides: Sequence[Any]) -> Config:
    config.merge_from_list(overrides)
    values = dict(leaves(config))
    for key in NAMES:
        if not all(isinstance(name, str) for name in values[key]):
            raise UserError(f"{key} is {values[key]!r}; it takes a list of names")
    for key, allowed in CHOICES.items():
        value = values[key]
        if not all(word in allowed for word in (value if isinstance(value, tuple) else (value,))):
            raise UserError(
                f"{key} is {value!r}; it can be {', '.join('null' if word is None else word for word in allowed)}"
            )
    check_ranges(config)
    config.freeze()
    return config
