"""Several runs beside one another: the same figures, differences with intervals, settings that differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from maskrcnn_benchmark.evaluation.bootstrap import bootstrap, paired_bootstrap
from maskrcnn_benchmark.evaluation.figures import Figure, freq_figures
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.visualization.report.run_files import RunFiles

logger = get_logger(__name__)

# Places of files, which differ between any two runs.
NO_SETTINGS = {"OUTPUT_DIR", "MODEL.WEIGHT"}


def comparisons(runs: Sequence[RunFiles], names: Sequence[str], k: str) -> list[dict[str, Any]]:
    """
    For each data set that two runs or more were evaluated on in one mode.

    Returns:
        "name", "mode", "figures"; "runs": of each its name and a cell per figure (value, interval, difference from the
        first run with interval, why there is none); "predicates": name and recall of each run, the most different
        first.
    """
    together: dict[tuple[str, str], list[tuple[str, RunFiles, Mapping[str, Any]]]] = {}
    for run, name in zip(runs, names, strict=True):
        for dataset, metrics in run.evaluations.items():
            if "R" in metrics and "per_predicate" in metrics:
                together.setdefault((dataset, metrics["mode"]), []).append((name, run, metrics))
    return [_comparison(*key, group, k) for key, group in together.items() if len(group) > 1]


def _comparison(
    dataset: str, mode: str, group: Sequence[tuple[str, RunFiles, Mapping[str, Any]]], k: str
) -> dict[str, Any]:
    logger.info(f"{dataset}: differences of {len(group)} runs, from draws of the images")
    scores = [run.scores(dataset) for _, run, _ in group]
    firsts = [None, *[scores[0]] * (len(group) - 1)]
    return {
        "name": dataset,
        "mode": mode,
        "figures": freq_figures(),
        "runs": [
            {"name": name, "cells": [_cell(figure, k, metrics, own, first) for figure in freq_figures()]}
            for (name, _, metrics), own, first in zip(group, scores, firsts, strict=True)
        ],
        "names": [name for name, _, _ in group],
        "predicates": _predicates([metrics for _, _, metrics in group], k),
    }


def _cell(
    figure: Figure,
    k: str,
    metrics: Mapping[str, Any],
    own: SceneGraphEvaluator | None,
    first: SceneGraphEvaluator | None,
) -> dict[str, Any]:
    value = metrics[figure.name].get(k)
    cell = {"value": figure.text(value), "interval": None, "difference": None, "beyond_chance": False, "why": None}
    if own is None or value is None:
        return cell
    interval = bootstrap(own, figure.name, int(k))
    cell["interval"] = figure.texts(interval, "low", "high")
    if first is not None:
        try:
            lead = paired_bootstrap(own, first, figure.name, int(k))
        except UserError as error:
            return cell | {"why": str(error)}
        cell["difference"] = figure.texts(lead, "difference", "low", "high", sign=True)
        cell["beyond_chance"] = lead["low"] > 0 or lead["high"] < 0
    return cell


def _predicates(group: Sequence[Mapping[str, Any]], k: str) -> list[tuple[str, list[float | None]]]:
    rows = []
    for name in group[0]["per_predicate"]:
        recalls = [(metrics["per_predicate"].get(name) or {}).get(k) for metrics in group]
        if any(recall is not None for recall in recalls):
            rows.append((name, recalls))
    known = {name: [recall for recall in recalls if recall is not None] for name, recalls in rows}
    return sorted(rows, key=lambda row: min(known[row[0]]) - max(known[row[0]]))


def different_settings(runs: Sequence[RunFiles]) -> list[tuple[str, list[str]]]:
    """Keys of config.yml in which the runs differ, with each one's value."""
    keys = sorted({key for run in runs for key in run.config} - NO_SETTINGS)
    rows = [(key, [str(run.config.get(key, "–")) for run in runs]) for key in keys]
    return [row for row in rows if len(set(row[1])) > 1]
