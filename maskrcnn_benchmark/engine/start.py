"""Where a model's weights come from, in a training and in a test, and the table of what a training is about to do."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from maskrcnn_benchmark.config import Config, Task
from maskrcnn_benchmark.config.paths_catalog import IMAGENET_PREFIX, weights_path
from maskrcnn_benchmark.data.build import training_name
from maskrcnn_benchmark.data.datasets.base import SceneGraphDataset
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.engine.description import described_meta
from maskrcnn_benchmark.solver.optimizer import learning_rate_rule
from maskrcnn_benchmark.utils.errors import UserError, some
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.weight_files import named_tensors, read_file, read_weights
from maskrcnn_benchmark.utils.weight_names import holds_backbone_only, holds_detector
from maskrcnn_benchmark.utils.weights import load_weights, optional, require_filled

logger = get_logger(__name__)

_PREDICTOR = "roi_heads.relation.predictor."
DETECTOR_PARTS = ("rpn.", "roi_heads.box.")


def load_start(cfg: Config, model: nn.Module) -> set[str]:
    """
    Gives a training its first weights, and says which file gave what.

    MODEL.PRETRAINED_DETECTOR_CKPT is loaded first and MODEL.WEIGHT over it; a MODEL.WEIGHT that holds only a backbone
    counts where no detector is named.

    Returns:
        Names in the model that were given a value.
    Raises:
        UserError: a file is missing or does not fit, or a module that stays frozen and takes part would keep random
            weights.
    """
    detector, weight = cfg.MODEL.PRETRAINED_DETECTOR_CKPT, cfg.MODEL.WEIGHT
    loaded: set[str] = set()

    def load(weights: dict[str, Tensor], name: str) -> None:
        loaded.update(load_weights(model, weights, ignore=cfg.MODEL.IGNORE_WEIGHTS, name=name).loaded)

    if detector:
        weights, name = _trained_weights(detector), f"MODEL.PRETRAINED_DETECTOR_CKPT {detector}"
        if not holds_detector(weights):
            raise UserError(f"{name} lacks rpn.* or roi_heads.box.*: no detector. MODEL.WEIGHT takes backbones")
        load(weights, name)
    if weight and not (detector and _is_backbone(weight, model)):
        path = weights_path(weight)
        load(_trained_weights(path), f"MODEL.WEIGHT {path}")
    elif weight:
        logger.info(
            f"MODEL.WEIGHT {weight} holds only a backbone: left out, the backbone is that of"
            " MODEL.PRETRAINED_DETECTOR_CKPT"
        )
    if not loaded:
        logger.warning(
            "neither MODEL.WEIGHT nor MODEL.PRETRAINED_DETECTOR_CKPT is named: every weight starts at random"
        )
    if cfg.MODEL.RELATION_ON:
        _require_loaded(cfg, model, loaded)
    return loaded


def load_tested(cfg: Config, model: nn.Module, path: Path, meta: DatasetMeta) -> None:
    """As load_content, from a file."""
    load_content(cfg, model, read_file(path), str(path), meta)


def load_content(cfg: Config, model: nn.Module, content: Any, source: str, meta: DatasetMeta) -> None:
    """
    Loads the weights that a test or a prediction is about.

    Args:
        content: what the checkpoint holds. source: its name in messages.
        meta: vocabulary that the model was built for.
    Raises:
        UserError: the file holds only a backbone, leaves parts of the model without weights, or says that it was
            trained on other names, or without the detector that the task needs.
    """
    weights = named_tensors(content, source)
    if holds_backbone_only(weights, model.state_dict()):
        kind = "relation model" if cfg.MODEL.RELATION_ON else "detector"
        raise UserError(
            f"{source} holds only a backbone, no {kind} to test; name one with MODEL.WEIGHT, or train one into"
            " OUTPUT_DIR"
        )
    if isinstance(content.get("meta"), dict):
        trained = described_meta(content["meta"], source)
        if trained.objects != meta.objects or (cfg.MODEL.RELATION_ON and trained.predicates != meta.predicates):
            raise UserError(
                f"{source} was trained on other object or predicate names than those of DATASETS.TRAIN"
                f" {cfg.DATASETS.TRAIN[0]}"
            )
    used = _used(cfg, model)
    if content.get("detector") is False and any(name.startswith(DETECTOR_PARTS) for name in used):
        raise UserError(
            f"{source} holds no detector (its relation model was trained without one), and this task needs one: train"
            " with MODEL.PRETRAINED_DETECTOR_CKPT, or set MODEL.ROI_RELATION_HEAD.USE_GT_BOX and USE_GT_OBJECT_LABEL"
            " True"
        )
    report = load_weights(model, weights, ignore=cfg.MODEL.IGNORE_WEIGHTS, name=source)
    untested = (set(report.initial) | set(report.copied)) & used - optional(model).keys()
    if untested:
        raise UserError(
            f"{source} lacks weights of this model: {_modules(untested)}. Is it a file of the model that the config"
            " describes?"
        )
    require_filled(model)
    without_place = [name for name in report.unused if name.startswith(_PREDICTOR)]
    if without_place:
        logger.warning(
            f"{source}: the model of this config has no place for {len(without_place)} weights of the file's relation"
            f" predictor, such as {without_place[0]}: does this config lack keys of its training, such as those"
            " that name prototype files?"
        )


def detector_is_among(names: Collection[str], model: nn.Module) -> bool:
    """Whether all weights of RPN and box head are among the names."""
    return {name for name, _ in model.named_parameters() if name.startswith(DETECTOR_PARTS)} <= set(names)


def _trained_weights(path: str | Path) -> dict[str, Tensor]:
    """A file's weights, without the random detector of a relation training that had none, as its checkpoint says."""
    content = read_file(path)
    weights = named_tensors(content, str(path))
    if isinstance(content, dict) and content.get("detector") is False:
        return {name: value for name, value in weights.items() if not name.startswith(DETECTOR_PARTS)}
    return weights


def _is_backbone(weight: str, model: nn.Module) -> bool:
    """Whether MODEL.WEIGHT names an ImageNet network; one of the catalog's need not be there to say so."""
    return weight.startswith(IMAGENET_PREFIX) or holds_backbone_only(
        read_weights(weights_path(weight)), model.state_dict()
    )


def _used(cfg: Config, model: nn.Module) -> set[str]:
    """Names of the parameters that the task uses: no RPN with ground-truth boxes, no box head with their labels."""
    unused: list[str] = []
    if cfg.MODEL.RELATION_ON:
        task = Task.from_cfg(cfg)
        unused += ["rpn."] if task.uses_gt_boxes else []
        unused += ["roi_heads.box.", "roi_heads.attribute."] if task.uses_gt_labels else []
    return {name for name, _ in model.named_parameters() if not name.startswith(tuple(unused))}


def _require_loaded(cfg: Config, model: nn.Module, loaded: Collection[str]) -> None:
    """UserError if a frozen parameter that takes part would stay random."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    random = (frozen & _used(cfg, model)) - set(loaded) - optional(model).keys()
    if not random:
        return
    if any(name.startswith("roi_heads.relation.") for name in random):
        raise UserError(
            f"MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS freezes {_modules(random)}, which no file gave weights:"
            " name a trained relation model as MODEL.WEIGHT (a detector's file holds neither channel reduction nor"
            " mask convolutions)"
        )
    told = f"no file gave weights to {_modules(random)}, which"
    backbone_alone = all(name.startswith("backbone.") for name in random)
    if backbone_alone and not cfg.MODEL.FREEZE_DETECTOR:
        logger.warning(f"{told} MODEL.BACKBONE.FREEZE_CONV_BODY_AT keeps random")
        return
    alternative = ", or set MODEL.FREEZE_DETECTOR False, which trains backbone and FPN along" if backbone_alone else ""
    raise UserError(
        f"{told} would stay frozen at random ones: name a detector as MODEL.PRETRAINED_DETECTOR_CKPT{alternative}"
    )


def _modules(names: Collection[str]) -> str:
    """Names of parameters, shortened to their modules."""
    short = sorted({".".join(name.split(".")[: 3 if name.startswith("roi_heads.relation") else 2]) for name in names})
    return some(short, quoted=False)


def start_table(cfg: Config, model: nn.Module, dataset: SceneGraphDataset, start: int) -> str:
    """Parameters, images, pairs, rate and iterations after `start`: 80 columns wide as long as names are short."""
    solver = cfg.SOLVER
    validation = _every(solver.VAL_PERIOD if solver.TO_VAL else 0)
    images, relations = len(dataset), int(dataset.relation_counts().sum())
    batch = solver.IMS_PER_BATCH * solver.ACCUMULATE
    update = f"{batch} images" + (f" in {solver.ACCUMULATE} batches" if solver.ACCUMULATE > 1 else "")
    if cfg.MODEL.RELATION_ON:
        update += f", up to {cfg.MODEL.ROI_RELATION_HEAD.BATCH_SIZE_PER_IMAGE:,} pairs each"
    passes = (solver.MAX_ITER - start) * batch / images
    rows = {
        "data": f"{images:,} images of {training_name(cfg)}, {relations:,} relations",
        "an update": update,
        "rate": f"{learning_rate_rule(cfg)[0]:g} after warm-up, {cfg.DTYPE}",
        "iterations": f"{start + 1:,} to {solver.MAX_ITER:,}, {passes:.3g} passes over the images",
        "then": f"checkpoint {_every(solver.CHECKPOINT_PERIOD)}, validation {validation}",
    }
    return parameter_table(model) + "\n" + "\n".join(f"{name:<11} {text}" for name, text in rows.items())


def _every(period: int) -> str:
    return f"every {period:,}" if period else "never"


def parameter_table(model: nn.Module) -> str:
    """Numbers of trained and frozen parameters, a line per module: parts of the backbone and relation head, heads."""
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts = rows.setdefault(_row(name), [0, 0])
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    total = [sum(counts[i] for counts in rows.values()) for i in (0, 1)]
    width = max(len(name) for name in [*rows, "together"])
    rows["together"] = total
    lines = [f"{name:<{width}} {trained:>13,} {frozen:>13,}" for name, (trained, frozen) in rows.items()]
    return "\n".join([f"{'module':<{width}} {'trained':>13} {'frozen':>13}", *lines])


def _row(parameter_name: str) -> str:
    """Module of the table that a parameter belongs to: two names deep, three inside the relation head."""
    parts = parameter_name.split(".")
    depth = 3 if parameter_name.startswith("roi_heads.relation.") else 1 if parts[0] == "rpn" else 2
    return ".".join(parts[: min(depth, len(parts) - 1)]) or parameter_name
