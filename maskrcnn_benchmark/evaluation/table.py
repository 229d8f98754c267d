"""The figures of a metrics.json as text."""

from collections.abc import Mapping, Sequence
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
    text = _table(
        title,
        ["%", *[f"@{k}" for k in ks]],
        [[label, *[percent(figures.get(k)) for k in ks]] for label, figures in rows],
    )
    choices = metrics.get("choices", {})
    if choices:
        rel_nms = f"rel_nms {choices['rel_nms']}" if choices["rel_nms"] else "without rel_nms"
        averaged, absent = choices["predicates_averaged"], choices["predicates_absent"]
        text += (
            f"\n{rel_nms}, IoU {choices['iou_threshold']}, mR over {averaged} predicates, {absent} absent from these"
            " images count 0"
        )
    return f"{text}\n{coverage_text(metrics)}" if metrics.get("coverage") else text


def coverage_text(metrics: Mapping[str, Any]) -> str:
    """What is to stand beside every figure of a part of the images; empty where all are there."""
    coverage = metrics.get("coverage")
    return f"A PART: {coverage['images']} of the {coverage['of']} images with a relation" if coverage else ""


def interval_table(intervals: Mapping[str, Mapping[str, float]]) -> str:
    """Figures with their 95 % intervals, of bootstrap.bootstrap, in percent."""
    rows = [
        [name, percent(v["value"]), f"{percent(v['low'])} to {percent(v['high'])}"] for name, v in intervals.items()
    ]
    return _table("95 % intervals over images", ["%", "value", "interval"], rows)


def difference_table(differences: Mapping[str, Mapping[str, float]]) -> str:
    """Differences with their 95 % intervals, of bootstrap.paired_bootstrap, in percentage points."""
    rows = []
    for name, v in differences.items():
        beyond = "yes" if v["low"] > 0 or v["high"] < 0 else "no"
        interval = f"{100 * v['low']:+.2f} to {100 * v['high']:+.2f}"
        rows.append([name, percent(v["a"]), percent(v["b"]), f"{100 * v['difference']:+.2f}", interval, beyond])
    return _table("paired over images", ["%", "this", "other", "difference", "95 % interval", "beyond chance"], rows)


def open_images_table(metrics: Mapping[str, Any]) -> str:
    """The figures of OpenImagesEvaluator.summary(), in percent."""
    rows = [[f"R@{k}", percent(value)] for k, value in metrics["R"].items()]
    rows += [[name, percent(metrics[name])] for name in ("mAP_rel", "wmAP_rel", "mAP_phr", "wmAP_phr", "score_wtd")]
    return _table("Open Images", ["%", "value"], rows)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=120, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
