"""The figures of a metrics.json as text."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from maskrcnn_benchmark.evaluation.figures import (
    DETECTION_FIGURES,
    K_VALUES,
    OPEN_IMAGES_FIGURES,
    Figure,
    freq_figures,
    main_figures,
    shown_figures,
)

_AP50 = next(figure for figure in DETECTION_FIGURES if figure.name == "AP50")


def figure_rows(metrics: Mapping[str, Any]) -> list[tuple[Figure, Mapping[str, float | None]]]:
    """The figures that a metrics dict has and tables show, with their values by K."""
    return [(figure, values) for figure in shown_figures() if (values := figure.read(metrics))]


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """The recall table of a metrics.json's dict, in percent: lines without colours, fit for a log."""
    title = f"{metrics['mode']}, {metrics['images']} images"
    if metrics.get("AP50") is not None:
        title += f", detection AP50 {_AP50.text(metrics['AP50'])}"
    freq = metrics.get("freq") or {}
    rows = [(figure.label, figure, values) for figure, values in figure_rows(metrics)]
    rows += [(f"FREQ {figure.name}", figure, freq[figure.name]) for figure in freq_figures() if figure.name in freq]
    text = _table(
        title,
        ["%", *[f"@{k}" for k in K_VALUES]],
        [[label, *[figure.text(values.get(str(k))) for k in K_VALUES]] for label, figure, values in rows],
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
    rows = []
    for name, v in intervals.items():
        value, low, high = _figure(name).texts(v, "value", "low", "high")
        rows.append([name, value, f"{low} to {high}"])
    return _table("95 % intervals over images", ["%", "value", "interval"], rows)


def difference_table(differences: Mapping[str, Mapping[str, float]]) -> str:
    """Differences with their 95 % intervals, of bootstrap.paired_bootstrap, in percentage points."""
    rows = []
    for name, v in differences.items():
        beyond = "yes" if v["low"] > 0 or v["high"] < 0 else "no"
        difference, low, high = _figure(name).texts(v, "difference", "low", "high", sign=True)
        rows.append([name, *_figure(name).texts(v, "a", "b"), difference, f"{low} to {high}", beyond])
    return _table("paired over images", ["%", "this", "other", "difference", "95 % interval", "beyond chance"], rows)


def open_images_table(metrics: Mapping[str, Any]) -> str:
    """The figures of OpenImagesEvaluator.summary(), in percent."""
    return _table("Open Images", ["%", "value"], open_images_rows(metrics))


def open_images_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Name and value of each figure of OpenImagesEvaluator.summary()."""
    rows = []
    for figure in OPEN_IMAGES_FIGURES:
        found = metrics[figure.name]
        if isinstance(found, dict):
            rows += [[f"{figure.name}@{k}", figure.text(value)] for k, value in found.items()]
        else:
            rows.append([figure.name, figure.text(found)])
    return rows


def _figure(name: str) -> Figure:
    """The figure of a name such as mR@50."""
    return main_figures()[name.partition("@")[0]]


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=120, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
