"""Weights alone in a .safetensors file: smaller than the checkpoint, and read like it."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from maskrcnn_benchmark.data.meta import BACKGROUND, DatasetMeta
from maskrcnn_benchmark.engine.description import describe, described_model
from maskrcnn_benchmark.engine.export.write import write_weights
from maskrcnn_benchmark.engine.prediction import SceneGraphModel
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.weight_files import read_file

from .tiny import mode_overrides, write_checkpoint


@pytest.mark.parametrize("name", ["spln", "alone"])
def test_the_graph_is_that_of_the_checkpoint(trained, tmp_path, name):
    path = write_weights(trained / f"{name}.pth", tmp_path / "model.safetensors")
    given = {"boxes": [[5.0, 5.0, 30.0, 30.0], [20.0, 20.0, 50.0, 60.0]], "labels": ["cat", "hat"]}
    graphs = [
        SceneGraphModel.from_checkpoint(file, "cpu").predict(trained / "photos/1.jpg", **given)
        for file in (trained / f"{name}.pth", path)
    ]
    assert graphs[0].relations and graphs[0].to_json() == graphs[1].to_json()


def test_a_detector_that_is_missing_is_missed_here_too(trained, tmp_path):
    path = write_weights(trained / "alone.pth", tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="holds no detector"):
        SceneGraphModel.from_checkpoint(path, "cpu").predict(trained / "photos/1.jpg")


def test_training_state_stays_behind_and_statistics_come_along(tmp_path):
    rng = np.random.default_rng(0)
    objects, predicates = (BACKGROUND, "cat", "dog", "table", "hat"), (BACKGROUND, "on", "under", "wearing")
    counts = rng.integers(0, 9, (5, 5, 4)) * np.array([0, 1, 1, 1])
    meta = DatasetMeta(objects, predicates, (), counts, rng.integers(0, 9, (5, 5)), rng.integers(0, 9, 4))
    plain = write_checkpoint(tmp_path, "plain", mode_overrides("predcls"))
    cfg, _ = described_model(read_file(plain), "it")
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(10**6)}}}
    full = write_checkpoint(tmp_path, "full", mode_overrides("predcls"), **describe(cfg, meta), optimizer=optimizer)
    path = write_weights(full, tmp_path / "model.safetensors")
    assert path.stat().st_size < full.stat().st_size - 4 * 10**6 + 10**5
    content = read_file(path)
    assert set(content) == {"model", "config", "version", "detector", "meta"}
    weights = read_file(full)["model"]
    assert content["model"].keys() == weights.keys()
    assert all(torch.equal(content["model"][key], weights[key]) for key in weights)
    _, read = described_model(content, "it")
    assert read.objects == objects and read.predicates == predicates
    for name in ("fg_matrix", "bg_matrix", "predicate_totals"):
        assert np.array_equal(getattr(read, name), getattr(meta, name))


def test_weights_of_other_programs_stay_what_they_are(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors", metadata={"format": "pt", "config": "theirs"})
    assert read_file(tmp_path / "w.safetensors").keys() == {"a"}


def test_damaged_metadata_and_another_name_are_refused(trained, tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors", metadata={"config": "x", "meta": "{"})
    with pytest.raises(UserError, match=r"w\.safetensors, metadata meta: is not valid JSON"):
        read_file(tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"end it in \.safetensors"):
        write_weights(trained / "alone.pth", tmp_path / "model.pth")
