"""The figures of a metrics.json as text."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

# Rows of the table, as far as the metrics hold them: the label, the path in the dict.
_PLAIN = ("R", "mR", "F", "zR", "ng-R", "ng-mR", "ng-zR", "A", "accR", "mR-present", "mR-head", "mR-body", "mR-tail")
_ROWS = [
    *[(name, (name,)) for name in _PLAIN],
    *[(f"PhrDet {name}", ("phrdet", name)) for name in ("R", "mR")],
    *[(f"FREQ {name}", ("freq", name)) for name in ("R", "mR", "F")],
]


def percent(value: float | None) -> str:
    """A fraction as a percentage with two decimals; a dash for None."""
    return "–" if value is None else f"{100 * value:.2f}"


def figure_rows(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None]]]:
    """The rows of the recall table that a metrics dict has: label and figures by K."""
    rows = []
    for label, path in _ROWS:
        figures: Any = metrics
        for key in path:
            figures = (figures or {}).get(key)
        if figures:
            rows.append((label, figures))
    return rows


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """
    The recall table of SceneGraphEvaluator.summary() (with "freq" and "AP50" where the caller added them), in percent.

    Returns:
        Text of several lines, without colours, fit for a log.
    """
    title = f"{metrics['mode']}, {metrics['images']} images"
    if metrics.get("AP50") is not None:
        title += f", detection AP50 {percent(metrics['AP50'])}"
    rows = figure_rows(metrics)
    ks = list(rows[0][1])
    table = Table(title=title, title_justify="left")
    table.add_column("%")
    for k in ks:
        table.add_column(f"@{k}", justify="right")
    for label, figures in rows:
        table.add_row(label, *[percent(figures.get(k)) for k in ks])
    text = StringIO()
    console = Console(file=text, width=100, color_system=None)
    console.print(table)
    choices = metrics.get("choices", {})
    if choices:
        rel_nms = f"rel_nms {choices['rel_nms']}" if choices["rel_nms"] else "without rel_nms"
        absent = choices["predicates_absent"]
        console.print(
            f"{rel_nms}, IoU {choices['iou_threshold']}, mR over {choices['predicates_averaged']} predicates, {absent} absent (0)"
        )
    return text.getvalue().rstrip()
