"""The report: one page that holds a run's figures, charts and pictures, whatever part of them is there."""

import json
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.predictions import PredictionWriter
from maskrcnn_benchmark.utils.errors import UserError, run_tool
from maskrcnn_benchmark.visualization.report import write_report
from maskrcnn_benchmark.visualization.report.charts import loss_chart
from tests.evaluation.scenes import random_image
from tools import report

NAMES = ["__background__", "on", "has", "<near & far>", "under"]
OBJECTS = ["__background__", "man", "horse", "hat"]


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains of tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "img", "br", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def evaluated(mode="predcls", images=12):
    evaluator = SceneGraphEvaluator(mode, 5, predicate_names=NAMES, train_counts=[0, 9, 5, 3, 1])
    rng = np.random.default_rng(0)
    saved = [random_image(rng, mode, 5, 4) for _ in range(images)]
    for prediction, groundtruth in saved:
        evaluator.update(prediction, groundtruth)
    return evaluator.summary(), saved


@pytest.fixture
def run(tmp_path):
    """An OUTPUT_DIR with everything but pictures."""
    folder = tmp_path / "run"
    metrics, _ = evaluated()
    metrics["freq"] = {name: dict.fromkeys(metrics[name], 0.125) for name in ("R", "mR", "F")}
    metrics["freq"]["lead"] = {"R@50": {"difference": 0.1, "low": 0.0432, "high": 0.2}}
    (folder / "inference/toy_test").mkdir(parents=True)
    (folder / "inference/toy_test/metrics.json").write_text(json.dumps(metrics))
    lines = [
        {"iteration": i, "loss": 2 / i, "loss_rel": 1.5 / i, "l21_loss": 0.5 / i, "lr": 0.1, "seconds": 0.2}
        for i in (1, 20, 40)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"iteration": 60, "lo')
    (folder / "validation.jsonl").write_text(json.dumps({"iteration": 40, "mR@50": 0.25}) + "\n")
    (folder / "config.yml").write_text("MODEL:\n  ROI_RELATION_HEAD:\n    PREDICTOR: MotifPredictor\nSEED: 7\n")
    return folder, metrics


def test_the_page_holds_the_figures_and_needs_nothing_else(run):
    folder, metrics = run
    path = write_report(folder)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path == folder / "report.html" and not page.open
    assert f"{100 * metrics['R']['50']:.2f}" in page.words and f"{100 * metrics['mR-present']['100']:.2f}" in page.words
    assert "12.50" in page.words and "+4.32" in page.words  # FREQ and the lead
    assert "MotifPredictor" in page.words and "predicates averaged" in page.words
    assert page.tags.count("svg") == 4  # predicates, confusion, losses, validation
    assert {"l21_loss", "loss_rel", "mR@50"} <= set(re.findall(r"[\w@]+", page.words))
    assert "<near & far>" in page.words  # escaped in the source
    assert "<near" not in text
    for tag, name, value in page.attributes:
        assert name not in ("src", "href", "xlink:href") or value.startswith(("data:", "#")), (tag, name)
    assert "script" not in page.tags and "@import" not in text and "url(http" not in text


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    folder, _ = run
    first, second = (write_report(folder, tmp_path / f"{i}.html").read_bytes() for i in (1, 2))
    assert first == second


def test_pictures_are_drawn_from_saved_predictions(run, tmp_path, monkeypatch):
    folder, _ = run
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    _, saved = evaluated(images=3)
    images = [
        {"image_id": i, "width": 64, "height": 48, "split": "test", **truth} for i, (_, truth) in enumerate(saved)
    ]
    write_vg_layout(tmp_path / "toy", images, OBJECTS[1:], NAMES[1:])
    (tmp_path / "toy/VG_100K").mkdir()
    for i in range(3):
        Image.new("RGB", (64, 48), (0, 0, 90 * i)).save(tmp_path / f"toy/VG_100K/{i}.jpg")
    with PredictionWriter(
        folder / "inference/toy_test/predictions/0000.npz", mode="predcls", predicates=NAMES, objects=OBJECTS
    ) as writer:
        for i, (prediction, truth) in enumerate(saved):
            writer.add(i, prediction, truth)
    sources = [
        v for t, n, v in Page(write_report(folder, pictures=2).read_text()).attributes if (t, n) == ("img", "src")
    ]
    assert len(sources) == 2 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    (tmp_path / "toy/VG_100K/0.jpg").unlink()
    assert "img" not in Page(write_report(folder).read_text()).tags  # a report without pictures, not a failure


def test_ready_pictures_are_taken(run):
    folder, _ = run
    (folder / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "pictures/scene_7.png")
    page = Page(write_report(folder).read_text())
    assert ("img", "alt", "scene 7") in page.attributes


def test_parts_alone_are_a_report(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/metrics.jsonl").write_text('{"iteration": 1, "loss": 0.5}\n')
    assert Page(write_report(tmp_path / "training").read_text()).tags.count("svg") == 1
    detector = {"mode": "detection", "images": 3, "AP": 0.25, "AP50": 0.5, "AP75": None, "AR": 0.5}
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector/metrics.json").write_text(json.dumps(detector))
    assert "25.00" in Page(write_report(tmp_path / "detector").read_text()).words
    empty = SceneGraphEvaluator("sgdet", 5, predicate_names=NAMES).summary()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/metrics.json").write_text(json.dumps(empty))
    assert "–" in Page(write_report(tmp_path / "empty").read_text()).words


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (None, "", "neither metrics.jsonl nor"),
        ("metrics.json", "{", "metrics.json: is not valid JSON"),
        ("metrics.json", "[1]", "expected the figures of an evaluation"),
        ("config.yml", "a: [", "config.yml: is not valid YAML"),
    ],
)
def test_what_cannot_be_reported_is_named(tmp_path, name, content, words):
    if name:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words):
        write_report(tmp_path)


def test_the_tool(run, tmp_path, capsys):
    folder, _ = run
    assert run_tool(lambda: report.main([str(folder), "--output", str(tmp_path / "r.html")])) == 0
    assert (tmp_path / "r.html").exists() and not (folder / "report.html").exists()
    assert run_tool(lambda: report.main([str(tmp_path / "nowhere")])) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: report of")
    with pytest.raises(SystemExit) as stop:
        report.main(["--help"])
    assert stop.value.code == 0 and "Example:" in capsys.readouterr().out


def test_twenty_losses_fit_into_their_chart_and_nothing_else_is_in_it():
    names = ["loss", *(f"{term}_loss_{number}" for term in ("sem", "vis", "con", "own") for number in range(5))]
    others = {"con_loss_0": 0.0, "fusion_visual": 0.3, "reweight_factor": 0.5}
    lines = [{"iteration": i, **dict.fromkeys(names, 1.0 / i), **others} for i in (1, 20, 40)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a legend leaves no room for the lines
        chart = loss_chart(lines)
    words = set(re.findall(r"\w+", chart))
    assert set(names) <= words and not {"fusion_visual", "reweight_factor"} & words
