"""sgg export: what it writes is what its target is called, and what it cannot write it says in one line."""

import torch

from maskrcnn_benchmark.engine.prediction import SceneGraphModel


def test_weights_by_the_name_of_the_target(call, trained, tmp_path):
    status, said = call("export", trained / "alone.pth", tmp_path / "model.safetensors")
    assert status == 0 and "which prediction reads" in said
    graph = SceneGraphModel.from_checkpoint(tmp_path / "model.safetensors", "cpu")
    assert graph.task is not None


def test_a_program_says_how_near_it_is(call, trained, tmp_path):
    words = ["--part", "relation_head", "--check", trained / "photos/1.jpg"]
    status, said = call("export", trained / "alone.pth", tmp_path / "head.pt2", *words)
    assert status == 0, said
    assert "takes boxes, image_size, pair_index, roi_features, union_features, object_labels" in said
    assert "relation_logits: at most " in said and torch.export.load(tmp_path / "head.pt2").module() is not None


def test_what_is_wrong_is_one_line(call, trained, tmp_path):
    checkpoint = (trained / "alone.pth").read_bytes()
    status, said = call("export", trained / "alone.pth", trained / "alone.pth", "--format", "onnx")
    assert status == 2 and "is the checkpoint itself" in said and (trained / "alone.pth").read_bytes() == checkpoint
    for words, error in [
        ([tmp_path / "model.pth"], "say what to write by its suffix"),
        ([tmp_path / "model.safetensors", "--part", "predcls"], "belong to graphs"),
        ([tmp_path / "model.onnx", "--part", "sgdet"], "holds no detector"),
    ]:
        status, said = call("export", trained / "alone.pth", *words)
        assert status == 2 and error in said and "Traceback" not in said and not list(tmp_path.iterdir())
