"""One table of figures: whoever shows, names or resamples figures goes by it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from maskrcnn_benchmark.engine.metrics import check_metric_name, headline
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator, figures
from maskrcnn_benchmark.evaluation.averages import PooledRatio
from maskrcnn_benchmark.evaluation.bootstrap import bootstrap
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.figures import Figure
from maskrcnn_benchmark.evaluation.open_images import OpenImagesEvaluator
from maskrcnn_benchmark.evaluation.table import interval_table, metrics_table
from maskrcnn_benchmark.visualization.report import write_report
from tests.evaluation.scenes import random_image

ROOT = Path(__file__).resolve().parents[2]


def evaluated(mode="predcls"):
    evaluator = SceneGraphEvaluator(mode, 5, zeroshot_triplets=[[1, 1, 1]], train_counts=[0, 9, 5, 3, 1])
    rng = np.random.default_rng(0)
    for _ in range(12):
        evaluator.update(*random_image(rng, mode, 5, 4))
    return evaluator


def test_a_figure_added_to_the_table_is_everywhere(monkeypatch, tmp_path):
    toy = Figure("toy", "Found by the phrase of the toy <rule>.", PooledRatio("ng_rank"), percent=False)
    monkeypatch.setattr(figures, "FIGURES", (*figures.FIGURES, toy))
    evaluator = evaluated()
    metrics = evaluator.summary()
    cells = evaluator.tally().counts("ng_rank", 50)
    assert metrics["toy"]["50"] == cells.found.sum() / cells.total.sum()
    shown = f"{metrics['toy']['50']:.2f}"
    row = next(line for line in metrics_table(metrics).splitlines() if line.startswith("│ toy"))
    assert shown in row
    interval = bootstrap(evaluator, "toy", 50, samples=20)
    assert interval["value"] == pytest.approx(metrics["toy"]["50"]) and shown in interval_table({"toy@50": interval})
    check_metric_name("KEY", "toy@50")
    assert headline(metrics)["toy@50"] == metrics["toy"]["50"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "toy &lt;rule&gt;" in page and f"<td>{shown}</td>" in page


@pytest.mark.parametrize("mode", figures.MODES)
def test_metrics_json_has_the_tables_figures_and_no_others(mode):
    metrics = evaluated(mode).summary()
    others = {"mode", "images", "per_predicate", "ng-per_predicate", "confusion", "choices", "phrdet"}
    for section, found in (("", metrics.keys() - others), ("phrdet", metrics.get("phrdet", {}).keys())):
        assert found == {f.name for f in figures.FIGURES if f.section == section and mode in f.modes}


def test_the_other_evaluators_figures_are_in_their_tables():
    prediction, groundtruth = random_image(np.random.default_rng(0), "sgdet", 5, 4)
    boxes, relations = DetectionEvaluator(["__background__", *"abc"]), OpenImagesEvaluator(5)
    for evaluator in (boxes, relations):
        evaluator.update(prediction, groundtruth)
    known = {figure.name for figure in figures.DETECTION_FIGURES}
    assert boxes.summary().keys() - {"images", "per_class"} == known
    known = {figure.name for figure in figures.OPEN_IMAGES_FIGURES}
    assert relations.summary().keys() - {"images", "relations", "per_predicate", "predicates_absent"} == known


def test_the_page_on_metrics_gives_every_figure_the_tables_meaning():
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|$", page, re.M))
    every = (*figures.FIGURES, *figures.DETECTION_FIGURES, *figures.OPEN_IMAGES_FIGURES)
    want = {figure.label: figure.meaning for figure in every if figure.section != "phrdet"}
    assert told == want
