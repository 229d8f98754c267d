"""Whether OUTPUT_DIR holds the run that a config describes, and what changed in it since."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.config import Config, load_config
from maskrcnn_benchmark.config.node import leaves
from maskrcnn_benchmark.config.yaml_text import parse_yaml, read_yaml
from maskrcnn_benchmark.utils.errors import UserError

# What makes two configs the same run; where a model works is no part of what it is.
RUN_KEYS = ("MODEL", "DTYPE", "DATASETS.TRAIN")
NOT_RUN_KEYS = ("MODEL.DEVICE",)
# Solver keys that a checkpoint keeps and a resumed run takes from there, unless SOLVER.UPDATE_SCHEDULE_DURING_LOAD.
KEPT_KEYS = (
    "BASE_LR", "SCALE_LR_BY_BATCH", "BIAS_LR_FACTOR", "MOMENTUM", "WEIGHT_DECAY", "WEIGHT_DECAY_BIAS", "WARMUP_ITERS",
    "WARMUP_FACTOR", "WARMUP_METHOD", "STEPS", "GAMMA", "SCHEDULE.PATIENCE", "SCHEDULE.THRESHOLD", "SCHEDULE.COOLDOWN",
    "SCHEDULE.FACTOR", "SCHEDULE.MAX_DECAY_STEP",
)  # fmt: skip
# The last line of a config.yml, which one that is cut off lacks.
WHOLE_FILE = "# End of the file: a key that is not above had its default.\n"
# Other keys that change what a training does from here on.
TOLD_SECTIONS = (
    "SOLVER.", "INPUT.", "DATALOADER.ASPECT_RATIO_GROUPING", "DATALOADER.SIZE_DIVISIBILITY", "DATASETS.PROPOSALS",
)  # fmt: skip


def config_text(cfg: Config) -> str:
    """What a run's config.yml holds."""
    return cfg.dump() + WHOLE_FILE


def check_same_run(cfg: Config, output_dir: Path) -> list[str]:
    """
    Refuses to go on in a folder whose last checkpoint is another run's, and says what changed in this one.

    Two runs are the same if OUTPUT_DIR/config.yml agrees with the config in MODEL (start weights included, MODEL.DEVICE
    not), DTYPE and DATASETS.TRAIN. A folder without a last_checkpoint is free. SEED, SOLVER and INPUT may change. A key
    that the run's version did not have yet had what is its default now.

    Returns:
        One line per key that changed: its name, both values, and which of the two the run goes on with.
    Raises:
        UserError: names the keys that differ with both values, or that a cut config.yml lacks, and asks for another
            OUTPUT_DIR.
    """
    if not (output_dir / "last_checkpoint").exists():
        return []
    written = output_dir / "config.yml"
    if not written.exists():
        raise UserError(
            f"OUTPUT_DIR {output_dir} holds a last_checkpoint but no config.yml to say which run's it is: choose"
            " another OUTPUT_DIR"
        )
    old = dict(leaves(read_yaml(written)))
    new = dict(leaves(parse_yaml(cfg.dump(), "config")))
    missing = sorted(new.keys() - old.keys())
    if missing and not written.read_text(encoding="utf-8").endswith(WHOLE_FILE):
        raise UserError(
            f"{written} lacks {len(missing)} keys ({', '.join(missing[:3])}, ...) and its last line: it is cut off, so"
            " that nobody can say whether this is its run. Put the whole file back, or choose another OUTPUT_DIR"
        )
    if missing:
        defaults = dict(leaves(parse_yaml(load_config(None).dump(), "defaults")))
        old |= {key: defaults[key] for key in missing}
    differ = [key for key in sorted(new) if _decides(key) and old[key] != new[key]]
    if differ:
        pairs = "; ".join(f"{key} was {old[key]!r}, is {new[key]!r}" for key in differ)
        raise UserError(
            f"OUTPUT_DIR {output_dir} holds another run's checkpoints: {pairs}. Choose another OUTPUT_DIR, or empty"
            " this one"
        )
    changed = [key for key in sorted(new) if old[key] != new[key] and (key == "SEED" or key.startswith(TOLD_SECTIONS))]
    return [f"{key} was {old[key]!r} at the last start, is {new[key]!r}: {_consequence(key, cfg)}" for key in changed]


def _consequence(key: str, cfg: Config) -> str:
    """What a run that goes on does about a key that changed."""
    if key == "SEED":
        return (
            "images and pairs are drawn by the new one from here on, so that this epoch may bring some images twice and"
            " others never"
        )
    if key.removeprefix("SOLVER.") in KEPT_KEYS and not cfg.SOLVER.UPDATE_SCHEDULE_DURING_LOAD:
        return "the run goes on with the checkpoint's (SOLVER.UPDATE_SCHEDULE_DURING_LOAD True takes the new one)"
    return "the run goes on with the new one"


def check_same_data(saved: Any, now: Mapping[str, Any]) -> None:
    """
    Refuses to go on with other annotations than the checkpoint was trained on.

    Args:
        saved: the checkpoint's entry "data"; None in one of an older version, which cannot be checked.
        now: {"name", "images", "annotations": digest of boxes, labels and relations} of the training set.
    """
    if saved is None or saved == dict(now):
        return
    was = saved.get("images") if isinstance(saved, Mapping) else None
    what = "annotations" if was == now["images"] else f"images ({was} then, {now['images']} now)"
    raise UserError(
        f"the training set {now['name']} holds other {what} than when the last checkpoint was written: put the former"
        " files back, or train the changed data set into another OUTPUT_DIR (the checkpoint can be its MODEL.WEIGHT)"
    )


def check_iterations(iteration: int, max_iter: int) -> None:
    """UserError if a run that goes on has come further than SOLVER.MAX_ITER."""
    if iteration > max_iter:
        raise UserError(
            f"SOLVER.MAX_ITER is {max_iter}, but OUTPUT_DIR's last checkpoint has {iteration} iterations: set"
            " SOLVER.MAX_ITER to at least that, or choose another OUTPUT_DIR"
        )


def _decides(key: str) -> bool:
    return key not in NOT_RUN_KEYS and any(key == run_key or key.startswith(run_key + ".") for run_key in RUN_KEYS)
