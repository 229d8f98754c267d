"""What is trained and what stays as it was loaded."""

from collections.abc import Iterable

from torch import nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

# Parts of the detector that relation training never trains.
HEADS_BELOW = ("rpn", "roi_heads.box", "roi_heads.attribute")
RELATION = "roi_heads.relation"
EXTRACTORS = ("box_feature_extractor", "att_feature_extractor", "union_feature_extractor")


def freeze(cfg: Config, model: nn.Module) -> None:
    """
    Takes the gradient from everything that this training leaves alone, and logs a table of trained and frozen parameters.

    Relation training (MODEL.RELATION_ON) trains roi_heads.relation; MODEL.FREEZE_DETECTOR False adds the trunk and FPN, but for the
    stages below MODEL.BACKBONE.FREEZE_CONV_BODY_AT, which the trunk has frozen when it was built; FREEZE_FEATURE_EXTRACTORS takes the
    head's extractors away. Frozen modules stay in training mode: in SGDet the RPN's counts of training hold. Detector training trains
    everything but those stages.
    """
    if cfg.MODEL.RELATION_ON:
        frozen = list(HEADS_BELOW) + (["backbone"] if cfg.MODEL.FREEZE_DETECTOR else [])
        if cfg.MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS:
            frozen += [f"{RELATION}.{name}" for name in EXTRACTORS]
        freeze_modules(model, frozen)
    logger.info("parameters by module:\n" + parameter_table(model))


def freeze_modules(model: nn.Module, names: Iterable[str]) -> None:
    """Takes the gradient from all parameters of the named modules; a name that the model does not have is passed over."""
    modules = dict(model.named_modules())
    for name in names:
        if name in modules:
            modules[name].requires_grad_(False)


def parameter_table(model: nn.Module) -> str:
    """Numbers of trained and frozen parameters, a line a module: the trunk's parts, the detector's heads, the relation head's parts."""
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts = rows.setdefault(_row(name), [0, 0])
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    total = [sum(counts[i] for counts in rows.values()) for i in (0, 1)]
    width = max(len(name) for name in [*rows, "together"])
    lines = [f"{'module':<{width}} {'trained':>13} {'frozen':>13}"]
    lines += [f"{name:<{width}} {counts[0]:>13,} {counts[1]:>13,}" for name, counts in [*rows.items(), ("together", total)]]
    return "\n".join(lines)


def _row(parameter_name: str) -> str:
    """Module of the table that a parameter belongs to: two names deep, three inside the relation head."""
    parts = parameter_name.split(".")
    depth = 3 if parameter_name.startswith(RELATION + ".") else 1 if parts[0] == "rpn" else 2
    return ".".join(parts[: min(depth, len(parts) - 1)]) or parameter_name
