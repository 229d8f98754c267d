"""tools/evaluate.py on the page's example, on written files, on a data set, and on what cannot be evaluated."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from maskrcnn_benchmark.data.datasets.vg_layout import write_vg_layout
from maskrcnn_benchmark.evaluation.predictions import PredictionWriter
from maskrcnn_benchmark.utils.errors import UserError, run_tool
from maskrcnn_benchmark.utils.log import close_logging
from tests.evaluation.scenes import apart, predict, random_image, truth
from tools import evaluate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def example(tmp_path):
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    block, rows = re.search(r"<!-- example.*?```json\n(.*?)```(.*?)<!-- end of example -->", page, re.S).groups()
    path = tmp_path / "example.json"
    path.write_text(block)
    return path, {name: float(value) for name, value in re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", rows, re.M)}


def test_the_figures_of_the_worked_example(example, tmp_path, capsys):
    path, want = example
    assert len(want) == 12
    assert evaluate.main([str(path), "--output", str(tmp_path / "metrics.json")]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for name, value in want.items():
        for k in ("20", "50", "100"):
            assert metrics[name][k] == pytest.approx(value, abs=1e-15), name
    assert metrics["choices"]["groups"] == {"head": ["on", "has"], "body": ["near", "under"], "tail": ["riding"]}
    assert metrics["confusion"][5][1] == 1 and metrics["confusion"][4][0] == 1
    assert "75.00" in capsys.readouterr().out


def saved(path, seed, noise=0.0):
    rng = np.random.default_rng(seed)
    names = {"predicates": ["__background__", *"abcd"], "objects": ["__background__", *"xyz"]}
    with PredictionWriter(path, mode="sgdet", **names) as writer:
        for i in range(20):
            prediction, groundtruth = random_image(rng, "sgdet", 5, 4)
            blurred = np.random.default_rng(i).uniform(0, noise, prediction["predicate_scores"].shape) if noise else 0
            writer.add(i, prediction | {"predicate_scores": prediction["predicate_scores"] + blurred}, groundtruth)


def test_intervals_and_a_comparison(tmp_path, capsys):
    saved(tmp_path / "a.npz", 0)
    saved(tmp_path / "b.npz", 0, noise=1)
    words = [
        str(tmp_path / "a.npz"),
        "--compare",
        str(tmp_path / "b.npz"),
        "--bootstrap",
        "50",
        "--output",
        str(tmp_path / "m.json"),
    ]
    assert evaluate.main([*words, "--open-images"]) == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert metrics["intervals"]["R@20"]["low"] <= metrics["R"]["20"] <= metrics["intervals"]["R@20"]["high"]
    difference = metrics["compared_with"]["differences"]["mR@20"]
    assert difference["difference"] == pytest.approx(
        metrics["mR"]["20"] - metrics["compared_with"]["metrics"]["mR"]["20"]
    )
    assert metrics["AP50"] > 0 and metrics["open_images"]["R"]["50"] > 0
    text = capsys.readouterr().out
    assert "beyond chance" in text and "score_wtd" in text


def test_published_predictions_without_a_header(shared, capsys):
    folder = shared / "golden/evaluator"
    words = [str(folder / "sgcls_inputs.npz"), "--mode", "sgcls", "--zeroshot", str(folder / "zeroshot_triplets.npy")]
    assert evaluate.main(words) == 0
    want = json.loads((folder / "sgcls_metrics_sgb.json").read_text())
    table = {line.split()[1]: line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("│")}
    assert table["R"][3] == f"{100 * want['R']['20']:.2f}" and table["zR"][7] == f"{100 * want['zR']['100']:.2f}"


def test_figures_are_never_written_over_the_predictions(example):
    path, _ = example
    text = path.read_text()
    with pytest.raises(UserError, match="holds the predictions themselves"):
        evaluate.main([str(path), "--output", str(path)])
    assert path.read_text() == text


def test_what_cannot_be_evaluated_is_one_line(tmp_path, capsys):
    with PredictionWriter(tmp_path / "bare.npz", mode="") as writer:
        writer.add(0, random_image(np.random.default_rng(0), "sgdet", 3, 2)[0])
    prediction, groundtruth = random_image(np.random.default_rng(0), "sgdet", 3, 2)
    for name, change in (("whole", {}), ("nan", {"scores": prediction["scores"] * np.nan})):
        with PredictionWriter(tmp_path / f"{name}.npz", mode="") as writer:
            writer.add(9, prediction | change, groundtruth)
    for words, message in (
        (["none.npz"], "none.npz: no such file"),
        ([str(tmp_path / "bare.npz")], "--mode must say one of predcls, sgcls, sgdet"),
        ([str(tmp_path / "bare.npz"), "--mode", "sgdet"], "--dataset must name the data set"),
        ([str(tmp_path / "bare.npz"), "--mode", "sgdet", "--dataset", "nothing_test"], "nothing_test"),
        (
            [str(tmp_path / "whole.npz"), "--mode", "sgdet", "--iou-threshold", "50"],
            "IoU threshold must lie above 0 and be at most 1",
        ),
        ([str(tmp_path / "nan.npz"), "--mode", "sgdet"], "nan.npz: image 9: prediction['scores'] must be finite"),
    ):
        assert run_tool(lambda words=words: evaluate.main(words)) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ") and message in error


def test_ground_truth_and_training_statistics_of_data_sets(tmp_path, monkeypatch, capsys):
    """
    Ground truth by image id, zero-shot triplets, thirds and FREQ from the catalog; the images themselves are not
    needed.
    """
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    images = []
    for i in range(30):
        prediction, groundtruth = random_image(rng, "sgdet", 5, 4)
        scaled = {
            "boxes": groundtruth["boxes"] * 8,
            "labels": groundtruth["labels"],
            "relations": groundtruth["relations"],
        }
        images.append(
            {
                "image_id": i,
                "width": 256,
                "height": 256,
                "split": "train" if i < 15 else "test",
                "prediction": prediction,
                **scaled,
            }
        )
    write_vg_layout(tmp_path / "toy", images, ["x", "y", "z"], ["a", "b", "c", "d"])
    with (
        PredictionWriter(tmp_path / "p.npz", mode="predcls") as bare,
        PredictionWriter(tmp_path / "own.npz", mode="predcls") as own,
    ):
        for image in images[:14:-1]:
            bare.add(image["image_id"], image["prediction"])
            own.add(
                image["image_id"], image["prediction"], {key: image[key] for key in ("boxes", "labels", "relations")}
            )
    words = [
        str(tmp_path / "p.npz"),
        "--dataset",
        "toy_test",
        "--train-dataset",
        "toy_train",
        "--output",
        str(tmp_path / "m.json"),
    ]
    assert evaluate.main(words) == 0
    metrics = json.loads((tmp_path / "m.json").read_text())
    triplets = [{tuple(x) for image in part for x in _triplets(image)} for part in (images[:15], images[15:])]
    assert metrics["images"] == 15
    assert metrics["choices"]["zeroshot_triplets"] == len(triplets[1] - triplets[0]) > 0
    assert metrics["choices"]["relations"] == 60
    assert sorted(metrics["per_predicate"]) == ["a", "b", "c", "d"]
    assert 0 < metrics["freq"]["R"]["20"] < 1 and metrics["mR-head"]["20"] is not None
    _a_part_is_refused_unless_asked_for(tmp_path, images[15:], words[1:3], capsys)
    _other_names_are_refused(tmp_path, images[15:], words[1:3])
    assert evaluate.main([str(tmp_path / "own.npz"), *words[3:]]) == 0
    for name in ("R", "zR", "A"):
        assert json.loads((tmp_path / "m.json").read_text())[name] == metrics[name]


def _a_part_is_refused_unless_asked_for(folder, images, dataset, capsys):
    with PredictionWriter(folder / "part.npz", mode="predcls") as part:
        for image in images[:4]:
            part.add(image["image_id"], image["prediction"])
    words = [str(folder / "part.npz"), *dataset, "--bootstrap", "5", "--output", str(folder / "part.json")]
    missing = "part.npz: 11 of the 15 images with a relation of data set toy_test are missing, such as 19.*--partial"
    with pytest.raises(UserError, match=missing):
        evaluate.main(words)
    assert evaluate.main([*words, "--partial"]) == 0
    metrics = json.loads((folder / "part.json").read_text())
    assert metrics["coverage"] == {"images": 4, "of": 15} and metrics["images"] == 4
    assert capsys.readouterr().out.count("A PART: 4 of the 15 images") == 2  # the table of figures, that of intervals


def _other_names_are_refused(folder, images, dataset):
    write_vg_layout(folder / "other", images, ["x", "y", "z"], ["a", "c", "b", "d"])
    with pytest.raises(UserError, match="data set toy_test: its predicates are not those of data set other_train"):
        evaluate.main([str(folder / "p.npz"), *dataset, "--train-dataset", "other_train"])
    names = ["__background__", "a", "b", "c", "d"]
    for given, message in (
        ([*names[:2], "c", "b", "d"], "number 2 is 'c' in the file, 'b' in the data set"),
        ([*names, "e"], r"number 5 is 'e' in the file, none in the data set \(6 and 5 names\)"),
    ):
        with PredictionWriter(folder / "names.npz", mode="predcls", predicates=given) as writer:
            for image in images:
                writer.add(image["image_id"], image["prediction"])
        with pytest.raises(UserError, match=f"names.npz: its predicates are not those of data set toy_test.*{message}"):
            evaluate.main([str(folder / "names.npz"), *dataset])


def test_boxes_in_parts_of_the_image_are_told(tmp_path, caplog):
    prediction, groundtruth = random_image(np.random.default_rng(0), "sgdet", 5, 4)
    with PredictionWriter(tmp_path / "p.npz", mode="sgdet") as writer:
        writer.add(7, prediction | {"boxes": prediction["boxes"] / 1000}, groundtruth)
    assert evaluate.main([str(tmp_path / "p.npz")]) == 0
    assert re.search(
        r"p.npz: \d+ of \d+ boxes .* lie between 0 and 1, first in image 7: pixels are expected", caplog.text
    )


SCENE = truth(apart(2, 30), [1, 2], [[0, 1, 3]])


def document(path, mode="sgdet", **change):
    """A file of one image, number 7, whose relation is found; `change` is of its prediction."""
    prediction = predict(SCENE, {(0, 1): {3: 0.5}}) | change
    image = {key: np.asarray(value).tolist() for key, value in prediction.items()}
    truth_ = {key: value.tolist() for key, value in SCENE.items()}
    names = {"predicates": ["__background__", *"abcd"], "objects": ["__background__", *"xyz"]}
    path.write_text(json.dumps({"mode": mode, **names, "images": [image | {"image_id": 7, "groundtruth": truth_}]}))
    return str(path)


@pytest.mark.parametrize(
    ("mode", "change", "told"),
    [
        ("sgdet", {"boxes": [[0, 0, 29, 29], [129, 29, 100, 0]]}, "1 of 4 boxes .* end before they begin"),
        ("sgdet", {"labels": [0, 1]}, "1 of 4 objects .* have label 0"),
        ("predcls", {"boxes": SCENE["boxes"][::-1]}, "2 of 2 boxes .* are not where the ground truth's of their row"),
        (
            "sgcls",
            {"pairs": [[0, 1]] * 2, "predicate_scores": [[0, 0, 0, 1, 0]] * 2},
            "1 of 2 pairs .* stand again in their image",
        ),
    ],
)
def test_what_is_hardly_meant_is_told(tmp_path, caplog, mode, change, told):
    assert evaluate.main([document(tmp_path / "p.json", mode, **change)]) == 0
    assert re.search(rf"p.json: {told}.*, first in image 7: ", caplog.text)


@pytest.mark.parametrize("mode", ["sgcls", "sgdet"])
def test_labels_that_no_object_has_are_refused(tmp_path, mode):
    with pytest.raises(UserError, match=r"p.json: image 7: prediction labels run from 1 to 4, there are 4 classes"):
        evaluate.main([document(tmp_path / "p.json", mode, labels=[1, 4])])


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    image = {"image_id": 7, "width": 256, "height": 256, "split": "test"} | SCENE
    write_vg_layout(tmp_path / "toy", [image], ["x", "y", "z"], ["a", "b", "c", "d"])
    path = Path(document(tmp_path / "p.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dataset": "a\x1b[2Jb"}))
    assert evaluate.main([str(path), "--dataset", "toy_test"]) == 0
    close_logging()
    said = "".join(capfd.readouterr())
    assert "made on a\\x1b[2Jb by its own word" in said and "\x1b" not in said


def test_knowledge_of_training_that_cannot_be_names_the_file(tmp_path):
    path = Path(document(tmp_path / "p.json"))
    for triplet, words in (
        ([1, 2, 7], "SceneGraphEvaluator: zeroshot_triplets names predicates 7 to 7"),
        ([1, 9, 1], "zeroshot_triplets' labels run from 1 to 9, there are 4 classes"),
    ):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"zeroshot_triplets": [triplet]}))
        with pytest.raises(UserError, match=f"p.json: {words}"):
            evaluate.main([str(path)])


@pytest.mark.parametrize(
    ("triplet", "words"),
    [
        ([1, 4, 1], r"z.npy: .*go up to \[1, 4, 1\], but the vocabulary's to \[3, 3, 4\]"),
        ([1, 2, 5], r"z.npy: .*go up to \[1, 2, 5\]"),
        ([1, 2], "z.npy: the triplets must be"),
        ([1, 2, np.nan], "z.npy: expected whole numbers"),
    ],
)
def test_a_list_of_zero_shot_triplets_that_cannot_be_is_named(tmp_path, triplet, words):
    np.save(tmp_path / "z.npy", np.array([triplet]))
    with pytest.raises(UserError, match=words):
        evaluate.main([document(tmp_path / "p.json"), "--zeroshot", str(tmp_path / "z.npy")])


def test_files_of_different_modes_or_names_are_not_compared(tmp_path):
    one, other = document(tmp_path / "one.json"), document(tmp_path / "other.json", "sgcls")
    with pytest.raises(UserError, match="figures of sgdet and of sgcls are not to be compared"):
        evaluate.main([one, "--compare", other])
    Path(other).write_text(Path(one).read_text().replace('"a", "b"', '"b", "a"'))
    with pytest.raises(UserError, match="one.json: its predicates are not those of .*other.json.* number 1 is 'a'"):
        evaluate.main([one, "--compare", other])


def _triplets(image):
    for s, o, predicate in image["relations"].tolist():
        yield int(image["labels"][s]), int(image["labels"][o]), predicate


def test_an_unknown_figure_is_named_before_anything_is_written(tmp_path):
    saved(tmp_path / "a.npz", 0)
    with pytest.raises(UserError, match="one of R, mR, F, zR"):
        evaluate.main(
            [str(tmp_path / "a.npz"), "--bootstrap", "10", "--metrics", "Q", "--output", str(tmp_path / "m.json")]
        )
    assert not (tmp_path / "m.json").exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--help"])
    assert stop.value.code == 0 and "Example:" in capsys.readouterr().out
