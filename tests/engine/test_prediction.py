"""
From a checkpoint and pictures to scene graphs: every kind of picture, what is given in every mode, and what is refused.
"""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.data.build import make_data_loader
from maskrcnn_benchmark.data.image_files import read_image
from maskrcnn_benchmark.engine.commands import run_training
from maskrcnn_benchmark.engine.description import PATH_KEYS, describe, described_model
from maskrcnn_benchmark.engine.inference import predictions
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.modeling import registry
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_file
from maskrcnn_benchmark.utils.weights import load_weights
from maskrcnn_benchmark.visualization.scene_graph import SceneGraph

from .tiny import HEAD, OBJECTS, mode_overrides, write_checkpoint

BOXES = [[5.0, 5.0, 30.0, 30.0], [20.0, 20.0, 50.0, 60.0], [1.0, 40.0, 20.0, 60.0]]
LABELS = ["cat", 2, "hat"]


@pytest.fixture(scope="module")
def spln(trained):
    return SceneGraphModel.from_checkpoint(trained / "spln.pth", "cpu")


@pytest.fixture(scope="module")
def penet(trained):
    return SceneGraphModel.from_checkpoint(trained / "penet.pth", "cpu")


def assert_same(one, other):
    assert one.size == other.size and one.triplets() == other.triplets()
    for kind in ("objects", "relations"):
        scores = [[item.score for item in getattr(graph, kind)] for graph in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_trained_checkpoint_alone_gives_the_graphs_of_its_evaluation(world, tmp_path_factory):
    cfg = load_config(world / "relation.yaml", ["SOLVER.MAX_ITER", 1, "SOLVER.TO_VAL", False])
    run_training(cfg, skip_test=True)
    path = world / "out/model_final.pth"
    assert read_file(path)["detector"] is False  # none was named
    trained_cfg, meta = described_model(read_file(path), "it")
    model = build_detection_model(trained_cfg, meta)
    load_weights(model, path)
    index, result, truth = next(iter(predictions(cfg, model, make_data_loader(cfg, "test", task=model.task))))
    labels = truth.get_field("labels").tolist()
    code = (
        "import sys, json; from maskrcnn_benchmark import SceneGraphModel; path, photo, boxes, labels ="
        " sys.argv[1:];graph = SceneGraphModel.from_checkpoint(path).predict(photo, boxes=json.loads(boxes),"
        " labels=json.loads(labels));print(graph.to_json())"
    )
    photo = make_data_loader(cfg, "test", task=model.task).dataset.image_path(index)
    words = [path, photo, json.dumps(truth.bbox.tolist()), json.dumps(labels)]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    wanted = SceneGraph.from_result(result, meta.objects, meta.predicates)
    assert wanted.relations and wanted.size == truth.size
    assert_same(SceneGraph.from_dict(json.loads(done.stdout)), wanted)


def test_importing_the_package_stays_cheap():
    code = "import sys, maskrcnn_benchmark; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


@pytest.mark.parametrize("name", sorted(registry.ROI_RELATION_PREDICTOR))
def test_every_predictor_takes_whatever_is_given(name, tmp_path, trained):
    overrides = [
        HEAD + "PREDICTOR",
        name,
        HEAD + "EMBED_DIM",
        8,
        HEAD + "TRANSFORMER.INNER_DIM",
        16,
        HEAD + "TRANSFORMER.NUM_HEAD",
        2,
    ]
    overrides += [HEAD + "TRANSFORMER.KEY_DIM", 8, HEAD + "TRANSFORMER.VAL_DIM", 8, HEAD + "TRANSFORMER.REL_LAYER", 1]
    path = write_checkpoint(tmp_path, "it", [*mode_overrides("sgdet"), *overrides])
    model = SceneGraphModel.from_checkpoint(path, "cpu")
    photo = trained / "photos/1.jpg"
    free = model.predict(photo)
    assert len(free.objects) > 1 and len(free.relations) == len(free.objects) * (len(free.objects) - 1)
    for given in ({"boxes": BOXES}, {"boxes": BOXES, "labels": LABELS}):
        graph = model.predict(photo, **given)
        assert np.allclose([item.box for item in graph.objects], BOXES, atol=1e-3) and len(graph.relations) == 6
    assert [item.label for item in graph.objects] == ["cat", "dog", "hat"]


def test_every_kind_of_picture_gives_the_same_graph(spln, trained):
    photo = trained / "photos/1.jpg"
    pixels = read_image(photo, upright=True)
    array = pixels.permute(1, 2, 0).numpy()
    from_path = spln.predict(photo)
    assert from_path.relations and from_path.image == str(photo)
    kinds = [str(photo), Image.fromarray(array), array, pixels]
    for graph in [*map(spln.predict, kinds), *spln.predict(kinds, batch_size=2)]:
        assert_same(graph, from_path)
        assert np.array_equal(graph.draw(), from_path.draw()) and graph.draw().shape == array.shape
    grey = spln.predict(array[:, :, 0])
    assert_same(grey, spln.predict(np.repeat(array[:, :, :1], 3, axis=2)))


def test_a_graph_does_not_depend_on_the_pictures_beside_it(penet, trained):
    photos = sorted((trained / "photos").glob("*.jpg"))[:5]
    for one, other in zip(penet.predict(photos, batch_size=5), map(penet.predict, photos), strict=True):
        assert_same(one, other)
    assert penet.predict([]) == []


def test_boxes_and_labels_of_several_pictures_may_be_arrays(spln, trained):
    photo = trained / "photos/1.jpg"
    wanted = spln.predict(photo, boxes=BOXES, labels=LABELS)
    for graph in spln.predict([photo] * 2, boxes=np.array([BOXES] * 2), labels=np.array([[1, 2, 4]] * 2)):
        assert_same(graph, wanted)


def test_a_turned_photo_is_looked_at_upright(penet, trained, tmp_path):
    image = Image.open(trained / "photos/1.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    graph = penet.predict(tmp_path / "turned.jpg")
    assert graph.size == image.size[::-1] and graph.draw().shape[:2] == image.size
    assert_same(penet.predict(Image.open(tmp_path / "turned.jpg")), graph)


def test_what_predcls_is_not_given_its_detector_finds(spln, trained):
    photo = trained / "photos/2.jpg"
    cfg, meta = described_model(read_file(trained / "spln.pth"), "it")
    cfg.defrost()
    cfg.MODEL.RELATION_ON = False
    detector = build_detection_model(cfg, meta).eval()
    load_weights(detector, trained / "spln.pth")
    found = SceneGraphModel(cfg, meta, detector).predict(photo)
    graph = spln.predict(photo)
    assert found.relations == [] and len(found.objects) > 1
    theirs, ours = (sorted((item.score, item.label) for item in one.objects) for one in (found, graph))
    assert [label for _, label in ours] == [label for _, label in theirs]
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-5)
    again = spln.predict(
        photo, boxes=[item.box for item in graph.objects], labels=[item.label for item in graph.objects]
    )
    scores = {(r.subject, r.object): r.score for r in again.relations}  # those of certain objects
    for relation in graph.relations[:5]:
        certain = graph.objects[relation.subject].score * graph.objects[relation.object].score
        assert relation.score == pytest.approx(scores[relation.subject, relation.object] * certain, rel=1e-3)
    classified = spln.predict(photo, boxes=BOXES)
    assert all(item.label in OBJECTS and 0 < item.score < 1 for item in classified.objects)


def test_terms_are_those_of_the_predicates_logit(spln, penet, trained):
    photo, outputs = trained / "photos/1.jpg", []
    predictor = spln._model(spln.task).roi_heads.relation.predictor
    handle = predictor.register_forward_hook(
        lambda _, args, output: outputs.append((args[0].pair_index.tolist(), output.terms))
    )
    graph = spln.predict(photo, boxes=BOXES, labels=LABELS, terms=True)
    handle.remove()
    pairs, terms = outputs[0]
    assert spln.terms == ("base", "structural", "visual", "conceptual")
    for relation in graph.relations:
        row, column = pairs.index([relation.subject, relation.object]), spln.predicates.index(relation.predicate)
        assert relation.terms == pytest.approx(
            {name: float(values[row, column]) for name, values in terms.items()}, abs=1e-6
        )
    assert SceneGraph.from_dict(json.loads(graph.to_json())) == graph
    assert all("term_visual" in values for *_, values in graph.to_networkx().edges(data=True))
    assert all(relation.terms is None for relation in spln.predict(photo, boxes=BOXES, labels=LABELS).relations)
    with pytest.raises(UserError, match="not made of terms"):
        penet.predict(photo, terms=True)


def test_a_model_without_detector_says_what_it_needs(trained):
    model, photo = SceneGraphModel.from_checkpoint(trained / "alone.pth", "cpu"), trained / "photos/1.jpg"
    assert model.predict(photo, boxes=BOXES, labels=LABELS).relations
    with pytest.raises(UserError, match="holds no detector .*so boxes and labels must be given"):
        model.predict(photo)
    with pytest.raises(UserError, match="so labels must be given"):
        model.predict(photo, boxes=BOXES)


@pytest.mark.parametrize(
    "image, given, said",
    [
        (np.zeros((40, 40, 3), np.float32), {}, "image 0: expected RGB values from 0 to 255"),
        (torch.zeros(2, 3, 40, 40, dtype=torch.uint8), {}, "several images are given as a list"),
        (np.zeros((1, 1, 3), np.uint8), {}, "1 x 1 pixels"),
        (object(), {}, "expected a path, a PIL image, an array or a tensor, found object"),
        ("nothing.jpg", {}, "image nothing.jpg: cannot be read"),
        (np.zeros((70, 70, 3), np.uint8), {"labels": ["cat"]}, "labels belong to boxes"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": BOXES, "labels": ["cat"]}, "3 boxes came with 1 labels"),
        (
            np.zeros((70, 70, 3), np.uint8),
            {"boxes": BOXES, "labels": ["cat", "dgo", "hat"]},
            "'dgo' is not among .* near it are 'dog'",
        ),
        (
            np.zeros((70, 70, 3), np.uint8),
            {"boxes": BOXES, "labels": [1, 2, 9]},
            "label 9 is neither a class's name nor its number",
        ),
        (np.zeros((55, 70, 3), np.uint8), {"boxes": BOXES}, "box 1 is .*70 wide and 55 high"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": [[1, 2, 3]]}, "rows of four numbers"),
        ([np.zeros((70, 70, 3), np.uint8)], {"boxes": [BOXES, BOXES]}, "1 images came with 2 entries"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": [["1", "2", "30", "40"]]}, "rows of four numbers .*found <U"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": [[1, 2, 30, 10**400]]}, "rows of four numbers"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": BOXES, "labels": [1, None, 2]}, "label None is neither"),
        (np.zeros((70, 70, 3), np.uint8), {"boxes": BOXES, "labels": "cat"}, "a list with one per box, found str"),
        (np.zeros((70, 70, 3), np.uint8), {"min_score": float("nan")}, "min_score must be from 0 to 1, found nan"),
        (np.zeros((70, 70, 3), np.uint8), {"max_relations": -1}, "max_relations must be at least 0"),
        (Image.new("La", (70, 70)), {}, "mode La that cannot be read as RGB"),
    ],
)
def test_what_cannot_be_used_is_one_line(penet, image, given, said):
    with pytest.raises(UserError, match=said) as raised:
        penet.predict(image, **given)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_checkpoint_are_one_line(trained, tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    content = read_file(trained / "penet.pth")
    torch.save({"model": content["model"]}, tmp_path / "bare.pth")
    torch.save(content | {"config": "MODEL: 3"}, tmp_path / "config.pth")
    torch.save(content | {"meta": {"objects": 3}}, tmp_path / "meta.pth")
    torch.save(content | {"meta": content["meta"] | {"objects": [1, 2, 3, 4, 5]}}, tmp_path / "numbers.pth")
    torch.save(content | {"meta": content["meta"] | {"predicates": ["a", "b", "b", "c"]}}, tmp_path / "twice.pth")
    torch.save(content | {"model": {}}, tmp_path / "empty.pth")
    cases = {
        "none.pth": "is not there",
        "text.pth": "damaged",
        "bare.pth": "lacks config and meta",
        "config.pth": "entry config",
    }
    cases |= {"meta.pth": "entry meta", "numbers.pth": "objects is no list of names", "empty.pth": "empty.pth"}
    for name, said in (cases | {"twice.pth": "predicates has a name twice"}).items():
        with pytest.raises(UserError, match=said):
            SceneGraphModel.from_checkpoint(tmp_path / name)


def test_a_checkpoints_config_keeps_names_with_a_slash_and_no_path():
    names = [
        "MODEL.BACKBONE.CONV_BODY",
        "timm/tf_efficientnet_lite0-FPN",
        "MODEL.WEIGHT",
        "catalog://ImageNetPretrained/MSRA/R-50",
    ]
    cfg = load_config(None, [*names, "OUTPUT_DIR", "/home/me/out", "GLOVE_DIR", "a\\b"])
    text = describe(cfg, None)["config"]
    assert "CONV_BODY: timm/tf_efficientnet_lite0-FPN" in text and "catalog://ImageNetPretrained/MSRA/R-50" in text
    assert "/home" not in text and "OUTPUT_DIR: out\n" in text and "GLOVE_DIR: b\n" in text


def test_every_key_that_names_a_path_is_known_as_one():
    def texts(node, prefix=""):
        for key, value in node.items():
            if hasattr(value, "items"):
                yield from texts(value, f"{prefix}{key}.")
            elif isinstance(value, str):
                yield prefix + key

    endings = ("_DIR", "_PATH", "_FILE", "_CKPT", ".WEIGHT", "PROPOSALS", "_CACHE")
    assert {key for key in texts(load_config(None)) if key.endswith(endings)} == set(PATH_KEYS)


def test_a_files_prototypes_beside_the_process_do_not_count(trained, tmp_path, monkeypatch, spln):
    """
    The checkpoint holds the tables that training read from files; others of that name, here of no use, stay unread.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "visual.pt").write_text("not these")
    photo = trained / "photos/1.jpg"
    assert_same(SceneGraphModel.from_checkpoint(trained / "spln.pth", "cpu").predict(photo), spln.predict(photo))


def test_a_picture_is_wanted_where_a_graph_knows_none():
    with pytest.raises(UserError, match="knows no picture"):
        SceneGraph((9, 9)).draw()
    assert SceneGraph((9, 9)).draw(cv2.cvtColor(np.zeros((9, 9), np.uint8), cv2.COLOR_GRAY2RGB)).shape == (9, 9, 3)
