"""
Each task and predictor trained, resumed and tested on a GPU: the last one that is visible, and nothing on another.

Without a GPU tests/gpu_free runs this file on a pretended one.
"""

import json

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.modeling.detector import build_detection_model

from .tiny import PREDICATES

pytestmark = pytest.mark.gpu

HEAD = "MODEL.ROI_RELATION_HEAD."
TASKS = {
    "predcls": [],
    "sgcls": [HEAD + "USE_GT_OBJECT_LABEL", False],
    "sgdet": [HEAD + "USE_GT_OBJECT_LABEL", False, HEAD + "USE_GT_BOX", False],
}
SMALL = [HEAD + "EMBED_DIM", 8, HEAD + "TRANSFORMER.NUM_HEAD", 2, HEAD + "TRANSFORMER.KEY_DIM", 4]
SMALL += [HEAD + "TRANSFORMER.VAL_DIM", 4, HEAD + "TRANSFORMER.INNER_DIM", 8]
PENET = "PrototypeEmbeddingNetwork"
SPLN = [
    HEAD + "PREDICTOR",
    PENET,
    HEAD + "VIS_PRO_PATH",
    "visual.pt",
    HEAD + "VIS_PRO_DIM",
    16,
    HEAD + "VIS_VAE_INPUT_DIM",
    16,
]
SPLN += [HEAD + "VIS_VAE_LATENT_DIM", 4, HEAD + "CON_PRO_TYPE", "LLAMA", HEAD + "CON_PRO_LLAMA_PATH", "conceptual.pt"]
SPLN += [HEAD + "CON_PRO_DIM", 24, HEAD + "CON_VAE_INPUT_DIM", 24, HEAD + "CON_VAE_LATENT_DIM", 4]
SPLN += ["MODEL.USE_REWEIGHT", "PENET"]
# Predictor, task, DTYPE: each predictor and task, each DTYPE with every task.
RUNS = [
    ("SPLN", "predcls", "bfloat16"),
    ("SPLN", "sgdet", "float16"),
    (PENET, "predcls", "float16"),
    (PENET, "sgcls", "bfloat16"),
    (PENET, "sgdet", "bfloat16"),
    ("MotifPredictor", "sgdet", "float32"),
    ("IMPPredictor", "predcls", "float32"),
    ("TransformerPredictor", "sgcls", "float32"),
    ("VCTreePredictor", "predcls", "bfloat16"),
    ("CausalAnalysisPredictor", "sgcls", "float16"),
    ("detector", "detector", "float16"),
]


@pytest.fixture
def device():
    """The name of the last GPU."""
    torch.cuda.reset_peak_memory_stats(0)
    return f"cuda:{torch.cuda.device_count() - 1}"


def on_a_detector(world):
    """Keys of a start from a detector's file, whose numbers are random."""
    torch.manual_seed(0)
    torch.save(build_detection_model(load_config(world / "detector.yaml")).state_dict(), world / "detector.pth")
    return ["MODEL.PRETRAINED_DETECTOR_CKPT", world / "detector.pth"]


def spln(world):
    """Keys of SPLN, with prototype files as published ones are: a bare tensor each, background first."""
    torch.save(torch.randn(1 + len(PREDICATES), 16), world / "visual.pt")
    torch.save(torch.randn(1 + len(PREDICATES), 24).half(), world / "conceptual.pt")
    return SPLN


def trained_resumed_and_tested(world, device, keys, config="relation.yaml"):
    """Two iterations, a third after a new start, and a test of it. The losses of the three, and the test's figures."""
    keys = ["MODEL.DEVICE", device, "SOLVER.TO_VAL", False, "SOLVER.CHECKPOINT_PERIOD", 100, *keys]
    if config == "relation.yaml":
        keys += on_a_detector(world)
    for iterations in (2, 3):
        cfg = load_config(world / config, [*keys, "SOLVER.MAX_ITER", iterations])
        run_training(cfg, skip_test=True)
    (figures,) = run_test(cfg, weight_named=False).values()
    if torch.cuda.device_count() > 1:
        assert torch.cuda.max_memory_allocated(0) == 0
    return [json.loads(line) for line in (world / "out" / "metrics.jsonl").read_text().splitlines()], figures


@pytest.mark.parametrize(("predictor", "task", "dtype"), RUNS)
def test_training_resuming_and_testing(world, device, predictor, task, dtype):
    keys = ["DTYPE", dtype]
    if predictor != "detector":
        keys += [*TASKS[task], *SMALL, *(spln(world) if predictor == "SPLN" else (HEAD + "PREDICTOR", predictor))]
    rows, figures = trained_resumed_and_tested(
        world, device, keys, "detector.yaml" if predictor == "detector" else "relation.yaml"
    )
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert all(row["loss"] is not None for row in rows)  # null stands for a number that is not finite
    assert figures["mode"] == ("detection" if predictor == "detector" else task) and figures["images"] == 3


def test_updates_without_a_detection(world, device):
    """Parameters that the first updates do not touch have no momentum when later ones do."""
    few = ["MODEL.ROI_HEADS.SCORE_THRESH", 0.34, "SOLVER.IMS_PER_BATCH", 1, "MODEL.FREEZE_DETECTOR", True]
    rows, _ = trained_resumed_and_tested(
        world, device, [*TASKS["sgdet"], *few, HEAD + "ADD_GTBOX_TO_PROPOSAL_IN_TRAIN", False]
    )
    assert len(rows) == 3
