"""
Graphs of tiny models give what the models give, for any number of boxes and pairs; what cannot be traced says so.

Differences are absolute, in pixels of boxes and in probabilities: at most 1e-3 and 1e-5 (logits 1e-4).
"""

import json
import warnings

import onnx
import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.image_files import read_image
from maskrcnn_benchmark.data.transforms import resize_image, resized_shape
from maskrcnn_benchmark.engine.export.inputs import graph_inputs, head_inputs, on_canvas
from maskrcnn_benchmark.engine.export.write import Export, OnnxGraph, by_pair
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError

from .tiny import HEAD, OBJECTS, PREDICATES, mode_overrides, write_checkpoint

LARGE_IMAGES = ["INPUT.MIN_SIZE_TEST", 72, "INPUT.MAX_SIZE_TEST", 128]
pytestmark = pytest.mark.filterwarnings("ignore")  # of torch.onnx about itself


def exported(folder, part, *overrides):
    """A seeded model of these keys, and its graph."""
    path = write_checkpoint(folder, "it", [*overrides, *LARGE_IMAGES], detector=True)
    model = SceneGraphModel.from_checkpoint(path, "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model, Export(model, part)


def results(model, task, inputs):
    """What prediction gives for the inputs of a graph, in the order of its outputs."""
    size = tuple(inputs["image_size"].tolist())
    image = inputs["image"][:, : size[1], : size[0]]
    given = None
    if "boxes" in inputs:
        given = [BoxList(inputs["boxes"], size)]
        if "labels" in inputs:
            given[0].add_field("labels", inputs["labels"])
    (found,) = model.results([image], given, task)
    names = ("pred_labels", "pred_scores", "rel_pair_idxs", "pred_rel_scores")
    return found.bbox, *(found.get_field(name) for name in names)


def assert_close(wanted, found):
    """Pairs in the order of their rows: equal scores have no order of their own."""
    wanted, found = (by_pair(tuple(outputs), 3) for outputs in (wanted, found))
    assert [tuple(one.shape) for one in wanted] == [tuple(one.shape) for one in found]
    boxes, labels, scores, pairs, predicates = zip(wanted, found, strict=True)
    assert torch.allclose(*boxes, rtol=0, atol=1e-3)
    assert torch.equal(*labels) and torch.equal(*pairs)
    assert torch.allclose(*scores, rtol=0, atol=1e-5) and torch.allclose(*predicates, rtol=0, atol=1e-5)


def test_the_head_of_an_sgdet_model(tmp_path):
    model, export = exported(tmp_path, "relation_head", *mode_overrides("sgdet"))
    export.write_onnx(tmp_path / "head.onnx")
    export.write_program(tmp_path / "head.pt2")
    onnx, program = OnnxGraph(tmp_path / "head.onnx", export.inputs), torch.export.load(tmp_path / "head.pt2").module()
    for num_entities, num_pairs in [(0, 0), (1, 0), (2, 1), (3, 6), (9, 72)]:
        inputs = tuple(head_inputs(model.network, num_entities, num_pairs).values())
        wanted = export.graph(*inputs)
        for found in (onnx(*inputs), program(*inputs)):
            for one, other in zip(wanted, found, strict=True):
                assert one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def predcls(tmp_path_factory):
    """A PE-Net for PredCls, and its whole path."""
    folder = tmp_path_factory.mktemp("predcls")
    model, export = exported(folder, "predcls", *mode_overrides("predcls"))
    export.write_onnx(folder / "model.onnx")
    export.write_program(folder / "model.pt2")
    return model, export, folder


@pytest.mark.parametrize("num_entities", [0, 1, 2, 6])
def test_the_whole_path_in_predcls(predcls, num_entities):
    model, export, folder = predcls
    onnx, program = OnnxGraph(folder / "model.onnx", export.inputs), torch.export.load(folder / "model.pt2").module()
    inputs = graph_inputs(model, Task.PREDCLS, num_entities, None)
    wanted = results(model, Task.PREDCLS, inputs)
    assert len(wanted[3]) == num_entities * (num_entities - 1)
    for graph in (onnx, program):
        assert_close(wanted, graph(*inputs.values()))


def test_the_file_says_what_its_user_needs(predcls):
    _, _, folder = predcls
    file = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(file, full_check=True)
    said = {entry.key: json.loads(entry.value) for entry in file.metadata_props}
    assert said["objects"][1:] == list(OBJECTS) and said["predicates"][1:] == list(PREDICATES)
    assert (said["part"], said["min_size"], said["max_size"], said["size_divisibility"]) == ("predcls", 72, 128, 32)
    extra = {"description.json": ""}
    torch.export.load(folder / "model.pt2", extra_files=extra)
    assert json.loads(extra["description.json"]) == said


@pytest.mark.slow
def test_the_whole_path_in_sgdet_on_photographs(tmp_path, trained):
    model, export = exported(tmp_path, "sgdet", *mode_overrides("sgdet"))
    export.write_onnx(tmp_path / "model.onnx")
    graph = OnnxGraph(tmp_path / "model.onnx", export.inputs)
    for name in ("1.jpg", "2.jpg"):
        photo = read_image(trained / "photos" / name, upright=True)
        size = resized_shape(photo.size(2), photo.size(1), 72, 128)
        inputs = {"image": on_canvas(photo, size, 32), "image_size": torch.tensor(size)}
        wanted = results(model, Task.SGDET, inputs)
        assert torch.equal(inputs["image"][:, : size[1], : size[0]], resize_image(photo, size)) and len(wanted[0]) == 8
        assert_close(wanted, graph(*inputs.values()))


def test_a_predictor_that_walks_from_entity_to_entity_is_refused_in_one_line(tmp_path):
    keys = [HEAD + "PREDICTOR", "MotifPredictor", HEAD + "EMBED_DIM", 8]
    with pytest.raises(UserError, match="relation_head with MotifPredictor cannot be exported") as caught:
        exported(tmp_path, "relation_head", *mode_overrides("sgcls"), *keys)
    assert "\n" not in str(caught.value) and ".safetensors" in str(caught.value)


def test_a_part_that_the_checkpoint_lacks_is_refused(trained):
    alone = SceneGraphModel.from_checkpoint(trained / "alone.pth", "cpu")
    with pytest.raises(UserError, match="holds no detector"):
        Export(alone, "sgdet")
