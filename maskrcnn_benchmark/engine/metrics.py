"""The figure that a config names, such as mR@100, in the dict that an evaluation returns."""

from collections.abc import Mapping
from typing import Any

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.utils.errors import UserError

AT_K = ("R", "mR", "F", "zR", "A", "accR", "ng-R", "ng-mR", "ng-zR")
KS = ("20", "50", "100")
PLAIN = ("AP", "AP50", "AP75", "AR")
# What decides in detector training, where there are no relations to measure.
DETECTOR_METRIC = "AP50"


def check_metric_name(key: str, name: str) -> None:
    """UserError, under the config key, if no evaluation has a figure of this name."""
    metric, at, k = name.partition("@")
    if (at and metric in AT_K and k in KS) or name in PLAIN:
        return
    raise UserError(
        f"{key} '{name}': expected one of {', '.join(AT_K)} at 20, 50 or 100, such as mR@100, or {', '.join(PLAIN)}"
    )


def metric_value(metrics: Mapping[str, Any], name: str) -> float | None:
    """The figure named `name` ("mR@100" is metrics["mR"]["100"]); None where the evaluation has none."""
    metric, _, k = name.partition("@")
    value = metrics.get(metric)
    return value.get(k) if k and value is not None else value


def headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an evaluation that one number stands for each, under their names in configs."""
    names = [f"{metric}@{k}" for metric in AT_K for k in KS] + list(PLAIN)
    values = {name: metric_value(metrics, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def deciding_metrics(cfg: Config) -> tuple[str, str]:
    """
    Names of the figures that choose model_best.pth and that the plateau schedule watches. UserError for an unknown
    name.
    """
    if not cfg.MODEL.RELATION_ON:
        return DETECTOR_METRIC, DETECTOR_METRIC
    check_metric_name("TEST.RELATION.BEST_METRIC", cfg.TEST.RELATION.BEST_METRIC)
    check_metric_name("SOLVER.SCHEDULE.METRIC", cfg.SOLVER.SCHEDULE.METRIC)
    return cfg.TEST.RELATION.BEST_METRIC, cfg.SOLVER.SCHEDULE.METRIC
