"""tools/predict.py on all kinds of sources, and the published switch for one's own images."""

import json
import os
import shutil
from pathlib import Path

import cv2
import networkx as nx
import numpy as np
import pytest
from engine.tiny import OBJECTS, PREDICATES, mode_overrides

from maskrcnn_benchmark.utils.log import close_logging
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def photos(trained, tmp_path, monkeypatch):
    """The working directory: a folder `in` of three pictures, and what is none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        shutil.copy(trained / "photos" / name, folder)
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.jpg").touch()
    cv2.imwrite(str(folder / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    yield
    close_logging()


def test_pictures_become_files_and_what_is_none_is_named(trained, call):
    film = cv2.VideoWriter("clip.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (96, 72))
    for _ in range(5):
        film.write(cv2.imread("in/1.jpg"))
    film.release()
    words = ["in", "in/[12].jpg", "clip.avi", "gone.jpg", "--every", "3", "--batch", "4"]
    words += ["--formats", "json", "jpg", "graph", "graphml", "dot"]
    status, said = call("predict", *words, "--terms", "--checkpoint", trained / "spln.pth", "--output", "out")
    assert status == 0 and "Traceback" not in said and "7 of 11 pictures predicted" in said
    left_out = [line.partition("left out: image ")[2] for line in said.splitlines() if "left out: image " in line]
    assert [line.partition(":")[0] for line in left_out] == ["in/dot.png", "in/empty.jpg", "in/notes.txt", "gone.jpg"]
    stems = ["1", "2", "3", "1_2", "2_2", "clip_000000", "clip_000003"]
    endings = [".json", ".jpg", "_graph.png", ".graphml", ".dot"]
    assert {path.name for path in Path("out").iterdir()} == {stem + ending for stem in stems for ending in endings}
    graph = SceneGraph.from_dict(json.loads(Path("out/1.json").read_text()))
    assert (
        graph.image == "in/1.jpg"
        and graph.relations
        and set(graph.relations[0].terms) == {"base", "structural", "visual", "conceptual"}
    )
    assert json.loads(Path("out/clip_000003.json").read_text())["image"] == "clip.avi#3"
    assert cv2.imread("out/1.jpg").shape == cv2.imread("in/1.jpg").shape
    assert nx.read_graphml("out/1.graphml").number_of_edges() == len(graph.relations)


def test_a_file_name_that_is_no_text_is_escaped(trained, call):
    Path("odd").mkdir()
    odd = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy("in/1.jpg", Path("odd", odd))
    words = ["odd", "--checkpoint", trained / "penet.pth", "--output", "out", "--formats", "json", "dot", "graphml"]
    status, said = call("predict", *words)
    assert status == 0 and "1 of 1 pictures predicted" in said
    assert json.loads((Path("out", odd).with_suffix(".json")).read_text())["image"] == f"odd/{odd}"


def test_given_boxes_join_one_picture_each(trained, call):
    Path("more").mkdir()
    shutil.copy("in/1.jpg", "more")
    boxes = {"boxes": [[1, 2, 30, 40], [20, 20, 50, 50]]}
    words = ["--checkpoint", trained / "penet.pth", "--output", "out", "--formats", "json", "--boxes", "boxes.json"]
    Path("boxes.json").write_text(json.dumps({"1.jpg": boxes, "gone.jpg": boxes}))
    status, said = call("predict", "in/1.jpg", "more", *words)
    assert status == 2 and "2 of the pictures are called '1.jpg': name them by their paths" in said
    Path("boxes.json").write_text(json.dumps({"1.jpg": boxes, "more/1.jpg": boxes, "gone.jpg": boxes}))
    status, said = call("predict", "in/1.jpg", "more", *words)
    assert status == 0 and "1 entries are of no picture that was named: 'gone.jpg'" in said and "2 of 2" in said


def test_relations_are_chosen_by_name_score_and_number(trained, call):
    def relations(*words):
        assert (
            call(
                "predict",
                "in/1.jpg",
                "--checkpoint",
                trained / "penet.pth",
                "--output",
                "out",
                "--formats",
                "json",
                *words,
            )[0]
            == 0
        )
        graph = SceneGraph.from_dict(json.loads(Path("out/1.json").read_text()))
        return graph, [(*triplet, one.score) for triplet, one in zip(graph.triplets(), graph.relations, strict=True)]

    graph, every = relations("--top", "1000")
    subject, predicate, obj, score = every[2]
    assert relations("--top", "3")[1] == every[:3]
    assert relations("--subject", subject, "--predicate", predicate, "--object", obj)[1] == [
        one for one in every if one[:3] == (subject, predicate, obj)
    ]
    assert relations("--predicate", *PREDICATES, "--min-score", str(score))[1] == [
        one for one in every if one[3] >= score
    ]
    limit = sorted(item.score for item in graph.objects)[2]
    some, theirs = relations("--top", "1000", "--min-object-score", str(limit))
    assert some.objects == [item for item in graph.objects if item.score >= limit]
    assert theirs == [
        one for one, row in zip(every, graph.relations, strict=True)
        if min(graph.objects[row.subject].score, graph.objects[row.object].score) >= limit
    ]  # fmt: skip


def test_boxes_and_labels_can_be_given(trained, call):
    boxes = [[5, 5, 30, 30], [20, 20, 50, 60]]
    entries = {
        "1.jpg": {"boxes": boxes, "labels": ["hat", "dog"]},
        "in/2.jpg": {"boxes": [[5, 5, 900, 30]], "labels": ["hat"]},
    }
    Path("boxes.json").write_text(json.dumps(entries))
    words = [
        "in/1.jpg",
        "in/2.jpg",
        "in/3.jpg",
        "--boxes",
        "boxes.json",
        "--checkpoint",
        trained / "alone.pth",
        "--output",
        "out",
    ]
    status, said = call("predict", *words)
    assert status == 0 and "image in/2.jpg: box 0 is" in said and "image in/3.jpg: no boxes are given for it" in said
    assert [item["label"] for item in json.loads(Path("out/1.json").read_text())["objects"]] == ["hat", "dog"]
    for text, why in (
        ("no", "is not valid JSON"),
        ("[1]", "expected a JSON object"),
        ('{"1.jpg": 3}', "its entry '1.jpg' is 3"),
    ):
        Path("boxes.json").write_text(text)
        status, said = call("predict", *words)
        assert status == 2 and why in said.splitlines()[-1] and "Traceback" not in said


@pytest.mark.parametrize(
    "words, why",
    [
        (["in/notes.txt"], "0 of 1 pictures predicted"),
        (["in", "--predicate", "onn"], "error: --predicate 'onn' is not among the model's 3 names; near it are 'on'"),
        (["in", "--output", "in"], "error: --output in is the folder of "),
        (["in", "--checkpoint", "in/notes.txt"], "error: in/notes.txt is damaged or no PyTorch file"),
        (["in", "--terms"], "not made of terms"),
        (["in", "--min-score", "nan"], "--min-score: expected a number from 0 to 1, found 'nan'"),
        (["in", "--batch", "0"], "--batch: expected a whole number of at least 1, found '0'"),
    ],
)
def test_a_failure_is_one_line(trained, call, words, why):
    status, said = call("predict", "--checkpoint", trained / "penet.pth", "--output", "out", *words)
    assert status == 2 and why in said.strip().splitlines()[-1] and "Traceback" not in said and not Path("out").exists()


def test_the_published_switch_for_own_images_writes_the_published_files(trained, call):
    words = ["--config-file", trained / "penet.yaml", "MODEL.WEIGHT", trained / "penet.pth", "OUTPUT_DIR", "run"]
    words += ["TEST.CUSTUM_EVAL", "True", "TEST.CUSTUM_PATH", "in", "DETECTED_SGG_DIR", "sgg"]
    status, said = call("relation_test_net", *words, *mode_overrides("sgdet"))
    assert status == 0 and "left out: image in/empty.jpg" in said
    info, prediction = (
        json.loads(Path("sgg", f"custom_{name}.json").read_text()) for name in ("data_info", "prediction")
    )
    assert info["idx_to_files"] == ["in/1.jpg", "in/2.jpg", "in/3.jpg"] and sorted(prediction) == ["0", "1", "2"]
    names, predicates = info["ind_to_classes"], info["ind_to_predicates"]
    assert names == ["__background__", *OBJECTS] and predicates == ["__background__", *PREDICATES]
    entry = prediction["0"]
    for scores in (entry["bbox_scores"], entry["rel_scores"]):
        assert scores == sorted(scores, reverse=True)
    for all_scores, label, score in zip(entry["rel_all_scores"], entry["rel_labels"], entry["rel_scores"], strict=True):
        assert len(all_scores) == 4 and all_scores[label] == score == max(all_scores[1:])

    # The graph of the other command, in pixels of the image and by triplet score, is made of the same numbers.
    assert (
        call("predict", "in/1.jpg", "--checkpoint", trained / "penet.pth", "--output", "out", "--top", "1000")[0] == 0
    )
    graph = SceneGraph.from_dict(json.loads(Path("out/1.json").read_text()))
    objects = entry["bbox_scores"]
    triplets = [
        objects[s] * objects[o] * score for (s, o), score in zip(entry["rel_pairs"], entry["rel_scores"], strict=True)
    ]
    row, best = int(np.argmax(triplets)), graph.relations[0]
    assert triplets[row] == pytest.approx(best.score) and predicates[entry["rel_labels"][row]] == best.predicate
    scale = np.array(graph.size * 2) / np.array(info["idx_to_sizes"][0] * 2)
    for end, wanted in zip(
        entry["rel_pairs"][row], (graph.objects[best.subject], graph.objects[best.object]), strict=True
    ):
        assert names[entry["bbox_labels"][end]] == wanted.label
        assert np.array(entry["bbox"][end]) * scale == pytest.approx(wanted.box, abs=1e-3)

    status, said = call("relation_test_net", *words)
    assert status == 2 and "images alone give neither boxes nor labels" in said.splitlines()[-1]
    status, said = call("relation_test_net", *words, *mode_overrides("sgdet"), "TEST.CUSTUM_PATH", "gone")
    assert status == 2 and "TEST.CUSTUM_PATH gone: expected a folder of images" in said.splitlines()[-1]
