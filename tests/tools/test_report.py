"""The report: one page that holds a run's figures, charts and pictures, whatever part of them is there."""

import json
import re
import shutil
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.bootstrap import bootstrap
from maskrcnn_benchmark.evaluation.files import EVALUATION_FILE, SCORES_FILE
from maskrcnn_benchmark.evaluation.predictions import PredictionWriter
from maskrcnn_benchmark.utils.console import printable
from maskrcnn_benchmark.utils.errors import UserError, run_tool
from maskrcnn_benchmark.visualization.report import write_report
from maskrcnn_benchmark.visualization.report.charts import loss_chart
from maskrcnn_benchmark.visualization.report.examples import examples
from maskrcnn_benchmark.visualization.report.layout import lay_out
from maskrcnn_benchmark.visualization.report.predicates import predicate_rows
from tests.evaluation.scenes import random_image
from tools import report

NAMES = ["__background__", "on", "has", "<near & far>", "under"]
OBJECTS = ["__background__", "man", "horse", "hat"]


TERMS = ("base", "structural", "visual")


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains of tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.parts, self.open = [], [], [], []
        self.feed(text)
        self.words = "".join(self.parts)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.parts.append(data)

    def text(self):
        """The words, a blank between two elements."""
        return " ".join(" ".join(self.parts).split())

    def photos(self):
        return sum(
            value.startswith("data:image/jpeg")
            for tag, name, value in self.attributes
            if (tag, name) == ("image", "href")
        )


def evaluated(mode="predcls", images=12, seed=0):
    evaluator = SceneGraphEvaluator(mode, 5, predicate_names=NAMES, train_counts=[0, 9, 5, 3, 1])
    rng = np.random.default_rng(seed)
    saved = [random_image(rng, mode, 5, 4) for _ in range(images)]
    for prediction, groundtruth in saved:
        evaluator.update(prediction, groundtruth)
    return evaluator, saved


def finished_run(folder, evaluator):
    """An OUTPUT_DIR with everything but predictions."""
    metrics = evaluator.summary()
    metrics["freq"] = {name: dict.fromkeys(metrics[name], 0.125) for name in ("R", "mR", "F")}
    metrics["freq"]["lead"] = {"R@50": {"difference": 0.1, "low": 0.0432, "high": 0.2}}
    place = folder / "inference/toy_test"
    place.mkdir(parents=True)
    (place / "metrics.json").write_text(json.dumps(metrics))
    torch.save(evaluator.state_dict(), place / SCORES_FILE)
    facts = {"date": "2026-01-02T03:04:05+00:00", "weights": "model_best.pth", "seconds": 6.0, "terms": TERMS}
    (place / EVALUATION_FILE).write_text(json.dumps(facts))
    lines = [
        {"iteration": i, "loss": 2 / i, "loss_rel": 1.5 / i, "l21_loss": 0.5 / i, "lr": 0.1, "seconds": 0.2}
        for i in (1, 20, 40)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"iteration": 60, "lo')
    (folder / "validation.jsonl").write_text(json.dumps({"iteration": 40, "mR@50": 0.25}) + "\n")
    (folder / "config.yml").write_text("MODEL:\n  ROI_RELATION_HEAD:\n    PREDICTOR: MotifPredictor\nSEED: 7\n")
    return folder, metrics


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "run", evaluated()[0])


def with_images(folder, data_dir, saved, *, with_ground_truth=True):
    """Predictions with their terms in the folder, and the data set toy_test that they are of."""
    images = [
        {"image_id": i, "width": 64, "height": 48, "split": "test", **truth} for i, (_, truth) in enumerate(saved)
    ]
    write_vg_layout(data_dir / "toy", images, OBJECTS[1:], NAMES[1:])
    (data_dir / "toy/VG_100K").mkdir()
    for i in range(len(saved)):
        Image.new("RGB", (64, 48), (0, 0, 20 * i)).save(data_dir / f"toy/VG_100K/{i}.jpg")
    file = folder / "inference/toy_test/predictions/0000.npz"
    with PredictionWriter(file, mode="predcls", predicates=NAMES, objects=OBJECTS, terms=TERMS) as writer:
        for i, (prediction, truth) in enumerate(saved):
            rows = np.arange(3.0) + np.arange(len(prediction["pairs"]))[:, None] / 100
            writer.add(i, prediction | {"terms": rows}, truth if with_ground_truth else None)


def test_the_page_holds_the_figures_and_needs_nothing_else(run):
    folder, metrics = run
    path = write_report(folder)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert path == folder / "report.html" and not page.open
    assert f"{100 * metrics['R']['50']:.2f}" in page.words and f"{100 * metrics['mR-present']['100']:.2f}" in page.words
    assert "12.50" in page.words and "+4.32" in page.words  # FREQ and the lead
    assert "MotifPredictor" in page.words and "predicates averaged" in page.words
    assert "2026-01-02 03:04:05 UTC" in page.words and "model_best.pth" in page.words
    assert "6.0 s, 0.500 s per image" in page.words and "base, structural, visual" in page.words
    assert "Training time 8.0 s" in page.text()
    assert page.tags.count("svg") == 4  # tips of arrows, confusion, losses, validation
    assert {"l21_loss", "loss_rel", "mR@50"} <= set(re.findall(r"[\w@]+", page.words))
    assert "<near & far>" in page.words  # escaped in the source
    assert "<near" not in text
    for tag, name, value in page.attributes:
        assert name not in ("src", "href", "xlink:href") or value.startswith(("data:", "#")), (tag, name)
    assert "@import" not in text and "url(http" not in text


def test_headline_figures_have_the_intervals_of_the_bootstrap(run):
    folder, metrics = run
    words = Page(write_report(folder).read_text()).text()
    for name in ("R", "mR", "F"):
        interval = bootstrap(evaluated()[0], name, 50)
        low, high = f"{100 * interval['low']:.2f}", f"{100 * interval['high']:.2f}"
        assert f"{name}@50 {100 * metrics[name]['50']:.2f} % {low} to {high} (95 %)" in words


def test_each_predicate_has_its_recall_and_what_it_is_taken_for(run):
    _, metrics = run
    rows = {row["name"]: row for row in predicate_rows(metrics, "50")}
    assert rows.keys() == {name for name in NAMES[1:] if metrics["per_predicate"][name]["50"] is not None}
    lost = [row["relations"] * (1 - row["recall"]) for row in predicate_rows(metrics, "50")]
    assert lost == sorted(lost, reverse=True)
    for number, name in enumerate(NAMES[1:], start=1):
        counts = metrics["confusion"][number]
        wrong = {NAMES[p]: n / sum(counts) for p, n in enumerate(counts) if p not in (0, number) and n}
        assert rows[name]["relations"] == sum(counts) and dict(rows[name]["taken_for"]) == wrong
        assert rows[name]["not_held"] == counts[0] / sum(counts)


def test_several_runs_stand_side_by_side(run, tmp_path):
    folder, metrics = run
    other, _ = finished_run(tmp_path / "other", evaluated()[0])
    (other / "config.yml").write_text("MODEL:\n  ROI_RELATION_HEAD:\n    PREDICTOR: MotifPredictor\nSEED: 8\n")
    unlike, _ = finished_run(tmp_path / "unlike", evaluated(seed=1)[0])
    path = write_report([folder, other, unlike])
    page = Page(path.read_text())
    assert path == folder / "comparison.html" and "run, other, unlike" in page.words
    assert "+0.00 (+0.00 to +0.00), may be chance" in page.text()
    assert page.text().count("no difference") == 3  # other images, for each of R, mR and F
    assert "1 settings differ" in page.text() and "SEED 7 8 7" in page.text()


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    folder, _ = run
    first, second = (write_report(folder, tmp_path / f"{i}.html").read_bytes() for i in (1, 2))
    assert first == second


def test_best_and_worst_images_are_those_of_the_highest_and_lowest_recall(run, tmp_path, monkeypatch):
    folder, metrics = run
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    _, saved = evaluated()
    with_images(folder, tmp_path, saved)
    shown = examples(folder, "toy_test", metrics, 4)
    assert [one["kind"] for one in shown] == ["best", "best", "worst", "worst"]
    recalls = []
    for image in saved:
        alone = SceneGraphEvaluator("predcls", 5)
        alone.update(*image)
        recalls.append(alone.summary()["R"]["20"])
    told = [one["found"] / one["relations"] for one in shown]
    recalls = sorted(recall for recall in recalls if recall is not None)
    assert sorted(told[:2]) == recalls[-2:] and told[2:] == recalls[:2]
    for one in shown:
        assert one["name"].endswith(".jpg") and one["source"].startswith("data:image/jpeg;base64,")
        image = saved[int(one["name"].removesuffix(".jpg"))][1]
        misses = [edge for edge in one["edges"] if edge["kind"] == "miss"]
        assert len(misses) == one["relations"] - one["found"] and one["relations"] == len(image["relations"])
        assert all(edge["terms"].keys() == set(TERMS) for edge in one["edges"] if edge["kind"] != "miss")


def test_ground_truth_that_predictions_lack_is_the_data_set_s_of_the_same_names(run, tmp_path, monkeypatch, caplog):
    folder, metrics = run
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    _, saved = evaluated()
    with_images(folder, tmp_path, saved)
    shown = examples(folder, "toy_test", metrics, 4)
    shutil.rmtree(tmp_path / "toy")
    with_images(folder, tmp_path, saved, with_ground_truth=False)
    assert examples(folder, "toy_test", metrics, 4) == shown
    renamed = tmp_path / "toy/VG-SGG-dicts-with-attri.json"
    renamed.write_text(renamed.read_text().replace(f'"{OBJECTS[1]}"', '"another"'))
    assert examples(folder, "toy_test", metrics, 4) == []
    assert "its objects are not those of data set toy_test" in caplog.text
    shutil.rmtree(tmp_path / "toy")
    assert examples(folder, "toy_test", metrics, 4) == []
    assert "no ground truth but what the predictions hold" in caplog.text


def test_images_without_files_are_shown_by_their_boxes(run, tmp_path, monkeypatch):
    folder, _ = run
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with_images(folder, tmp_path, evaluated()[1])
    page = Page(write_report(folder, pictures=2).read_text())
    assert page.tags.count("article") == page.photos() == 2
    shutil.rmtree(tmp_path / "toy")
    page = Page(write_report(folder, pictures=2).read_text())
    assert page.tags.count("article") == 2 and not page.photos() and page.tags.count("rect") > 2


def test_predictions_of_an_earlier_evaluation_are_not_shown_beside_the_figures_of_this_one(run, tmp_path, monkeypatch):
    folder, _ = run
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with_images(folder, tmp_path, evaluated()[1])
    file = folder / "inference/toy_test" / EVALUATION_FILE
    facts = json.loads(file.read_text())
    for kept in (True, False):
        file.write_text(json.dumps(facts | {"predictions": kept}))
        assert Page(write_report(folder, pictures=2).read_text()).tags.count("article") == 2 * kept


def test_a_relation_on_a_thing_itself_is_a_loop():
    nodes = [{"box": (0, 0, 9, 9)}, {"box": (20, 0, 29, 9)}]
    edges = [{"subject": 0, "object": 0}, {"subject": 0, "object": 1}, {"subject": 0, "object": 1}]
    lay_out(nodes, edges)
    assert len({edge["path"] for edge in edges}) == 3 and "nan" not in str(edges)


def test_parts_alone_are_a_report(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training/metrics.jsonl").write_text('{"iteration": 1, "loss": 0.5}\n')
    assert Page(write_report(tmp_path / "training").read_text()).tags.count("svg") == 2
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
        ("metrics.json", "[1]", "metrics.json: expected a JSON object, found list"),
        ("metrics.json", '{"R": {"50": 1}}', "metrics.json: has no 'mode'"),
        ("metrics.json", '{"mode": "predcls", "R": {"50": "high"}}', "metrics.json: R must be numbers or null by K"),
        (
            "metrics.json",
            '{"mode": "predcls", "freq": {"R": 0.5}}',
            "metrics.json: FREQ R must be numbers or null by K",
        ),
        ("metrics.json", '{"mode": "detection", "AP50": {"50": 1}}', "metrics.json: AP50 must be a number or null"),
        ("metrics.json", '{"mode": "predcls", "freq": [1]}', "metrics.json: 'freq' must be an object"),
        ("metrics.json", '{"mode": "predcls", "per_predicate": {"on": {"50": 1}}}', "metrics.json: .* no 'R'"),
        ("metrics.json", '{"mode": "predcls", "intervals": {"R@50": 3}}', "interval of R@50: expected an object"),
        ("metrics.json", '{"mode": "sgdet", "open_images": {"R": {}}}', "open_images: has no 'mAP_rel'"),
        ("config.yml", "a: [", "config.yml: is not valid YAML"),
        ("config.yml", "MODEL: &m {SELF: *m}", r"config.yml: line 1: \*m stands inside"),
        ("metrics.json", '{"mode": "predcls", "images": "ten"}', "'images' must be a whole number from 0, found 'ten'"),
        ("metrics.json", '{"mode": "predcls", "R": {"50": 5}}', "R must be numbers or null by K, from 0 to 1"),
        ("metrics.json", '{"mode": "predcls", "freq": {"lead": [1]}}', "freq 'lead' must be an object"),
        ("metrics.json", '{"mode": "predcls", "per_predicate": {"on": null}}', "recall of on must be numbers"),
    ],
)
def test_what_cannot_be_reported_is_named(tmp_path, name, content, words):
    if name:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("file", "key", "value", "words"),
    [
        (SCORES_FILE, None, None, "scores.pth is damaged"),
        (EVALUATION_FILE, "terms", [1], "evaluation.json.*'terms' must be a list of names"),
        ("metrics.json", "images", 3, "scores.pth: is of another evaluation .images [0-9]+, 3 in metrics.json"),
        ("metrics.json", "confusion", [[0] * 5, [0, -1, 1, 0, 0], *[[0] * 5] * 3], "'confusion' must hold counts"),
        ("metrics.json", "choices", {"groups": {"head": [["on"]]}}, "choices 'groups' must be lists"),
        (EVALUATION_FILE, "seconds", "long", "evaluation.json.*'seconds' must be a finite number"),
        ("metrics.json", "confusion", [[1, 2]], "metrics.json: confusion, row 0, must"),
        ("metrics.json", "confusion", [[0] * 5] * 4, "'confusion' has 4 rows, its predicates and the background are 5"),
        ("metrics.json", "choices", {"groups": {"head": "on"}}, "choices 'groups' must be lists"),
        ("metrics.json", "choices", {"iou_threshold": "half"}, "choices: 'iou_threshold' must be a finite number"),
        ("metrics.json", "choices", {"rel_nms": "yes"}, "choices: 'rel_nms' must be a finite number or false"),
    ],
)
def test_a_damaged_file_of_an_evaluation_is_named(run, file, key, value, words):
    path = run[0] / "inference/toy_test" / file
    path.write_text("x" if key is None else json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(UserError, match=words):
        write_report(run[0])


@pytest.mark.parametrize("key", ["per_predicate", "choices"])
def test_a_part_that_is_null_is_not_there(run, key):
    path = run[0] / "inference/toy_test/metrics.json"
    path.write_text(json.dumps(run[1] | {key: None}))
    assert "12 images" in Page(write_report(run[0]).read_text()).text()


def test_lines_that_are_no_figures_are_left_out(tmp_path, caplog):
    lines = ['{"iteration": 1, "loss": 0.5}', '{"iteration": 2, "loss": "low"}', "[" * 9999, '{"iteration": Infinity}']
    lines += ['{"iteration": 3, "loss": null, "seconds": null}']
    (tmp_path / "metrics.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff\n")
    assert "iteration 3" in write_report(tmp_path).read_text()
    assert caplog.text.count("left out a line") == 4


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\x00b", "half \ud800"])
def test_names_that_would_steer_a_terminal_are_written_out(run, name):
    path = run[0] / "inference/toy_test/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["per_predicate"][name] = metrics["per_predicate"].pop(next(iter(metrics["per_predicate"])))
    path.write_text(json.dumps(metrics))
    page = write_report(run[0]).read_text()
    assert name not in page and printable(name) in page


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
