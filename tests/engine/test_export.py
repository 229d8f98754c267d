"""
Graphs of tiny models give what the models give, for any number of boxes and pairs; what cannot be traced says so.

Differences are absolute: at most 1e-4 in logits.
"""

import warnings

import pytest
import torch

from maskrcnn_benchmark.engine.export.write import Export, OnnxGraph, head_inputs
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.utils.errors import UserError

from .tiny import HEAD, mode_overrides, spln_overrides, write_checkpoint

LARGE_IMAGES = ["INPUT.MIN_SIZE_TEST", 72, "INPUT.MAX_SIZE_TEST", 128]
pytestmark = pytest.mark.filterwarnings("ignore")  # of torch.onnx about itself


def exported(folder, part, *overrides):
    """A seeded model of these keys, and its graph."""
    path = write_checkpoint(folder, "it", [*overrides, *LARGE_IMAGES], detector=True)
    model = SceneGraphModel.from_checkpoint(path, "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model, Export(model, part)


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


def test_spln_keeps_its_epsilon(tmp_path):
    """Its terms are rows of equal entries where prototypes do not differ yet: 0, not a division by 0."""
    _, export = exported(tmp_path, "relation_head", *mode_overrides("predcls"), *spln_overrides())
    assert export.write_onnx(tmp_path / "head.onnx")["relation_logits"] < 1e-4


@pytest.mark.parametrize("predictor", ["MotifPredictor", "VCTreePredictor", "CausalAnalysisPredictor"])
def test_a_predictor_that_walks_from_entity_to_entity_is_refused_in_one_line(tmp_path, predictor):
    keys = [HEAD + "PREDICTOR", predictor, HEAD + "EMBED_DIM", 8]
    with pytest.raises(UserError, match=f"relation_head with {predictor} cannot be exported") as caught:
        exported(tmp_path, "relation_head", *mode_overrides("sgcls"), *keys)
    assert "\n" not in str(caught.value) and ".safetensors" in str(caught.value)


def test_a_part_that_the_checkpoint_lacks_is_refused(trained):
    alone = SceneGraphModel.from_checkpoint(trained / "alone.pth", "cpu")
    with pytest.raises(UserError, match="holds no detector"):
        Export(alone, "sgdet")
