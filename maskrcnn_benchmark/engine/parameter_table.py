"""What is trained and what stays as it was loaded."""

from torch import nn

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.utils.log import get_logger

logger = get_logger(__name__)

RELATION = "roi_heads.relation"
EXTRACTORS = ("box_feature_extractor", "att_feature_extractor", "union_feature_extractor")


def freeze(cfg: Config, model: nn.Module) -> None:
    """
    Takes the gradient from what this training leaves alone, and logs a table of trained and frozen parameters.

    The model comes with its detector frozen already (MODEL.FREEZE_DETECTOR, BACKBONE.FREEZE_CONV_BODY_AT);
    ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS takes the relation head's extractors away. Frozen modules stay in
    training mode: in SGDet the RPN's counts of training hold.
    """
    if cfg.MODEL.RELATION_ON and cfg.MODEL.ROI_RELATION_HEAD.FREEZE_FEATURE_EXTRACTORS:
        for name, module in model.named_modules():
            if name in {f"{RELATION}.{extractor}" for extractor in EXTRACTORS}:
                module.requires_grad_(False)
    logger.info("parameters by module:\n" + parameter_table(model))


def parameter_table(model: nn.Module) -> str:
    """
    Numbers of trained and frozen parameters, a line a module: the backbone's parts, the detector's heads, the relation
    head's parts.
    """
    rows: dict[str, list[int]] = {}
    for name, parameter in model.named_parameters():
        counts = rows.setdefault(_row(name), [0, 0])
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    total = [sum(counts[i] for counts in rows.values()) for i in (0, 1)]
    width = max(len(name) for name in [*rows, "together"])
    lines = [f"{'module':<{width}} {'trained':>13} {'frozen':>13}"]
    lines += [
        f"{name:<{width}} {counts[0]:>13,} {counts[1]:>13,}" for name, counts in [*rows.items(), ("together", total)]
    ]
    return "\n".join(lines)


def _row(parameter_name: str) -> str:
    """Module of the table that a parameter belongs to: two names deep, three inside the relation head."""
    parts = parameter_name.split(".")
    depth = 3 if parameter_name.startswith(RELATION + ".") else 1 if parts[0] == "rpn" else 2
    return ".".join(parts[: min(depth, len(parts) - 1)]) or parameter_name
