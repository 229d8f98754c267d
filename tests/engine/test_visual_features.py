"""Which features meet visual prototypes: what their file records, and once a checkpoint holds them what it was trained with."""

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine import commands
from maskrcnn_benchmark.engine.commands import run_test, run_training

HEAD = "MODEL.ROI_RELATION_HEAD."
VISUAL = {"VIS_PRO_PATH": "vis.pt", "VIS_PRO_DIM": "16", "VIS_VAE_INPUT_DIM": "16", "VIS_VAE_LATENT_DIM": "4"}
KEYS = [word for key, value in VISUAL.items() for word in (HEAD + key, value)]


@pytest.fixture
def built(monkeypatch):
    """The width of the detector's features that each model reads which a command builds; None: it reads its own."""
    widths, build = [], commands.build_detection_model

    def remembering(cfg, meta):
        model = build(cfg, meta)
        widths.append(model.roi_heads.relation.visual_features_dim)
        return model

    monkeypatch.setattr(commands, "build_detection_model", remembering)
    return widths


def config(world, iterations, *words):
    return load_config(world / "relation.yaml", [*KEYS, "SOLVER.MAX_ITER", str(iterations), "SOLVER.TO_VAL", "False", *words])


@pytest.fixture
def trained(world):
    """An SPLN that was trained on prototypes of the detector's features; their file is gone."""
    run_training(config(world, 0, HEAD + "STORE_UNION", "True"), skip_test=True)
    assert torch.load(world / "vis.pt", weights_only=True)["features"] == "detector"
    run_training(config(world, 1), skip_test=True)
    (world / "vis.pt").unlink()
    return world


def test_a_test_without_the_prototype_file_reads_the_features_of_training(trained, built):
    run_test(config(trained, 1), weight_named=False)
    assert built == [16]


def test_a_training_that_goes_on_or_starts_from_a_checkpoint_reads_them_too(trained, built):
    run_training(config(trained, 2), skip_test=True)
    run_training(config(trained, 1, "OUTPUT_DIR", "second", "MODEL.WEIGHT", "out/model_final.pth"), skip_test=True)
    assert built == [16, 16]
    for path in ("out/model_final.pth", "second/model_final.pth"):
        assert "VIS_PRO_FEATURES: detector" in torch.load(trained / path, weights_only=True)["config"]


def test_the_checkpoint_goes_before_a_file_made_anew_of_other_features(trained, built):
    relation = [HEAD + "STORE_UNION", "True", HEAD + "VIS_PRO_FEATURES", "relation", "MODEL.WEIGHT", "out/model_final.pth"]
    run_training(config(trained, 1, *relation, "OUTPUT_DIR", "third"), skip_test=True)
    assert torch.load(trained / "vis.pt", weights_only=True)["features"] == "relation"
    run_test(config(trained, 1), weight_named=False)
    assert built[1:] == [16]


def test_a_key_that_says_which_features_is_obeyed(trained, built):
    run_test(config(trained, 1, HEAD + "VIS_PRO_FEATURES", "relation"), weight_named=False)
    assert built == [None]
