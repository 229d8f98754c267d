"""metrics.json and evaluation.json as the report reads them, whoever wrote them: what does not fit is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskrcnn_benchmark.evaluation.figures import DETECTION_FIGURES, FIGURES, OPEN_IMAGES_FIGURES, freq_figures
from maskrcnn_benchmark.utils.arrays import number_table
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import (
    ANY,
    LIST,
    NAMES,
    NUMBER,
    TEXT,
    Kind,
    fields,
    is_number,
    is_whole,
    read_json,
    shown,
)

CURE = "evaluate again"
_NULLABLE_TEXT = Kind("text or null", lambda value: value is None or isinstance(value, str))
_NULLABLE_FLAG = Kind("true, false or null", lambda value: value is None or isinstance(value, bool))
_SWITCH = Kind("a finite number or false", lambda value: value is False or is_number(value))
_COUNT = Kind("a whole number from 0", lambda value: is_whole(value) and value >= 0)
# Parts of metrics.json that are objects, where they are there.
_OBJECTS = ("phrdet", "freq", "choices", "open_images", "per_predicate", "intervals")


def read_metrics(path: Path) -> dict[str, Any]:
    """A metrics.json. UserError: no JSON object with a mode, or a part that the report reads has another form."""
    metrics = {
        key: value for key, value in read_json(path, dict, CURE).items() if value is not None or key not in _OBJECTS
    }
    fields({"images": 0} | metrics, str(path), mode=TEXT, images=_COUNT)
    for key in _OBJECTS:
        if not isinstance(metrics.get(key, {}), dict):
            raise UserError(f"{path}: '{key}' must be an object, found {shown(metrics[key])}; {CURE}")
    freq, choices = metrics.get("freq", {}), metrics.get("choices", {})
    fields(
        {"iou_threshold": 0.5, "rel_nms": False} | choices, f"{path}: choices", iou_threshold=NUMBER, rel_nms=_SWITCH
    )
    if not isinstance(freq.get("lead") or {}, dict):
        raise UserError(f"{path}: freq 'lead' must be an object, found {shown(freq['lead'])}; {CURE}")
    by_k = {figure.label: figure.read(metrics) for figure in FIGURES}
    by_k |= {f"FREQ {figure.name}": freq.get(figure.name) for figure in freq_figures()}
    by_k |= {f"recall of {name}": recall or 0 for name, recall in metrics.get("per_predicate", {}).items()}
    for name, value in by_k.items():
        if not (value is None or (isinstance(value, dict) and all(map(_is_share, value.values())))):
            raise UserError(f"{path}: {name} must be numbers or null by K, from 0 to 1, found {shown(value)}; {CURE}")
    for figure in (*DETECTION_FIGURES, *OPEN_IMAGES_FIGURES):
        value = figure.read(metrics)
        several = value.values() if isinstance(value, dict) and figure.section else [value]
        if not all(map(_is_share, several)):
            raise UserError(
                f"{path}: {figure.label} must be a number or null, from 0 to 1, found {shown(value)}; {CURE}"
            )
    for name, interval in {**metrics.get("intervals", {}), **(freq.get("lead") or {})}.items():
        fields(interval, f"{path}: interval of {name}", low=NUMBER, high=NUMBER)
    if metrics.get("open_images"):
        fields(metrics["open_images"], f"{path}: open_images", **{figure.name: ANY for figure in OPEN_IMAGES_FIGURES})
    _check_predicates(metrics, choices, path)
    return metrics


def is_figure(value: Any) -> bool:
    """A number, or null where nothing was to be found."""
    return value is None or is_number(value)


def _is_share(value: Any) -> bool:
    """A figure between 0 and 1, or null."""
    return value is None or (is_number(value) and 0 <= value <= 1)


def _check_predicates(metrics: Mapping[str, Any], choices: Mapping[str, Any], path: Path) -> None:
    groups = choices.get("groups") or {}
    if not isinstance(groups, dict) or not all(map(NAMES.holds, groups.values())):
        raise UserError(f"{path}: choices 'groups' must be lists of predicates by name, found {shown(groups)}; {CURE}")
    if "per_predicate" not in metrics:
        return
    if "R" not in metrics:
        raise UserError(f"{path}: has recalls of predicates but no 'R'; {CURE}")
    for figure in freq_figures():
        if not isinstance(metrics.get(figure.name), dict):
            raise UserError(f"{path}: '{figure.name}' must be numbers by K, found {shown(metrics.get(figure.name))}")
    if metrics.get("confusion"):
        size = len(metrics["per_predicate"]) + 1
        rows = fields(metrics, str(path), confusion=LIST)[0]
        counts = number_table(rows, size, whole=True, where=lambda row: f"{path}: confusion, row {row},")
        if len(rows) != size:
            raise UserError(f"{path}: 'confusion' has {len(rows)} rows, its predicates and the background are {size}")
        if counts.min() < 0:
            raise UserError(f"{path}: 'confusion' must hold counts, found {counts.min()}; {CURE}")


def read_facts(path: Path) -> dict[str, Any]:
    """
    What an evaluation noted of itself: "date", "weights" (or None), "seconds", "terms", "predictions" (or None).
    UserError as above.
    """
    facts = {"predictions": None} | read_json(path, dict, CURE)
    kinds = {"date": TEXT, "weights": _NULLABLE_TEXT, "seconds": NUMBER, "terms": NAMES, "predictions": _NULLABLE_FLAG}
    return dict(zip(kinds, fields(facts, str(path), **kinds), strict=True))
