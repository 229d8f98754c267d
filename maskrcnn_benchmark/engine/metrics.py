"""The figure that a config names, such as mR@100, in the dict that an evaluation returns."""

from collections.abc import Mapping
from typing import Any

from maskrcnn_benchmark.config import Config
from maskrcnn_benchmark.evaluation.figures import DETECTION_FIGURES, K_VALUES, shown_figures
from maskrcnn_benchmark.utils.errors import UserError

# What decides in detector training, where there are no relations to measure.
DETECTOR_METRIC = "AP50"


def check_metric_name(key: str, name: str) -> None:
    """UserError, under the config key, if no evaluation has a figure of this name."""
    if name not in _names():
        raise UserError(
            f"{key} '{name}': expected one of {', '.join(_at_k())} at 20, 50 or 100, such as mR@100, or"
            f" {', '.join(figure.name for figure in DETECTION_FIGURES)}"
        )


def _at_k() -> list[str]:
    return [figure.name for figure in shown_figures() if not figure.section]


def _names() -> list[str]:
    return [f"{name}@{k}" for name in _at_k() for k in K_VALUES] + [figure.name for figure in DETECTION_FIGURES]


def metric_value(metrics: Mapping[str, Any], name: str) -> float | None:
    """The figure named `name` ("mR@100" is metrics["mR"]["100"]); None where the evaluation has none."""
    metric, _, k = name.partition("@")
    value = metrics.get(metric)
    return value.get(k) if k and value is not None else value


def headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The figures of an evaluation that are one number each, under their names in configs."""
    values = {name: metric_value(metrics, name) for name in _names()}
    return {name: value for name, value in values.items() if value is not None}


def deciding_metrics(cfg: Config) -> tuple[str, str]:
    """Names of the figures that choose model_best.pth and that the plateau schedule watches. UserError: unknown."""
    if not cfg.MODEL.RELATION_ON:
        return DETECTOR_METRIC, DETECTOR_METRIC
    best, watched = cfg.TEST.RELATION.BEST_METRIC, cfg.SOLVER.SCHEDULE.METRIC
    check_metric_name("TEST.RELATION.BEST_METRIC", best)
    check_metric_name("SOLVER.SCHEDULE.METRIC", watched)
    return best, watched
