"""
What scripts/demo.sh runs for SPLN, in small: the two files of prototypes from a PE-Net, training on kept features,
SGDet.
"""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from maskrcnn_benchmark.config import Task, load_config
from maskrcnn_benchmark.data.build import load_dataset_meta
from maskrcnn_benchmark.data.scenes.write import Sizes, write_scenes
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.bank import write_prototypes
from maskrcnn_benchmark.utils.log import close_logging

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs/demo"
HEAD = "MODEL.ROI_RELATION_HEAD."
SMALL = [
    "INPUT.MIN_SIZE_TRAIN",
    "(64,)",
    "INPUT.MIN_SIZE_TEST",
    "64",
    "DATALOADER.NUM_WORKERS",
    "0",
    "MODEL.DEVICE",
    "cpu",
]
SMALL += ["SOLVER.MAX_ITER", "2", "SOLVER.TO_VAL", "False", "SOLVER.IMS_PER_BATCH", "2"]
VISUAL, CONCEPTUAL = Path("output/demo/visual_prototypes.pt"), Path("output/demo/conceptual_prototypes.pt")


@pytest.fixture
def penet(tmp_path, monkeypatch):
    """
    A working directory with six rendered scenes and an untrained model of predcls.yaml, where the demo has a trained
    one.
    """
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "scenes", Sizes(3, 1, 2))
    cfg = load_config(CONFIGS / "predcls.yaml", SMALL)
    meta = load_dataset_meta(cfg)
    torch.manual_seed(0)
    path = tmp_path / "output/demo/predcls/model_final.pth"
    path.parent.mkdir(parents=True)
    torch.save({"model": build_detection_model(cfg, meta).state_dict()}, path)
    yield meta
    close_logging()


def test_spln_trains_from_penets_weights_with_prototypes_of_its_features(penet, call):
    words = ["--config-file", CONFIGS / "spln.yaml", *SMALL]
    status, said = call("relation_train_net", *words)
    assert (
        status == 2
        and "VIS_PRO_PATH ./output/demo/visual_prototypes.pt: no such file; make it with tools/extract_visual" in said
    )

    status, said = call("extract_visual_prototypes", *words, "--output", VISUAL)
    assert status == 0 and "no training example of __background__" in said and "partly random" not in said, said
    status, said = call("relation_train_net", *words)
    assert (
        status == 2 and "CON_PRO_LLAMA_PATH" in said and "make it with tools/extract_conceptual_prototypes.py" in said
    )

    about = {"counts": torch.ones(23), "source": "noise"}
    write_prototypes(CONCEPTUAL, torch.randn(23, 100), penet.predicates, **about)
    status, said = call("relation_train_net", *words)
    assert status == 2 and "prototypes are 100 wide" in said and "CON_PRO_DIM is 384" in said

    write_prototypes(CONCEPTUAL, torch.randn(23, 384), penet.predicates, **about)
    status, said = call("relation_train_net", *words)
    assert status == 0, said
    log = Path("output/demo/spln/log.txt").read_text()
    assert [log.count(f"computing the features of {n} of {n} images") for n in (3, 2)] == [
        1,
        1,
    ]  # the prototypes left training its own
    assert json.loads(Path("output/demo/spln/inference/scenes_test/metrics.json").read_text())["mode"] == "predcls"

    status, said = call(
        "relation_train_net", "--config-file", CONFIGS / "spln_sgdet.yaml", *SMALL, "SOLVER.STEPS", "(1,)"
    )
    assert status == 0, said
    assert json.loads(Path("output/demo/spln_sgdet/inference/scenes_test/metrics.json").read_text())["mode"] == "sgdet"


def test_the_widths_of_splns_keys_agree():
    for name, task in (("spln", Task.PREDCLS), ("spln_sgdet", Task.SGDET)):
        cfg = load_config(CONFIGS / f"{name}.yaml")
        head = cfg.MODEL.ROI_RELATION_HEAD
        assert Task.from_cfg(cfg) is task and cfg.MODEL.FREEZE_DETECTOR and head.FREEZE_FEATURE_EXTRACTORS
        assert (
            head.VIS_PRO_DIM
            == head.VIS_VAE_INPUT_DIM
            == head.CONTEXT_POOLING_DIM
            == cfg.MODEL.ROI_BOX_HEAD.MLP_HEAD_DIM
        )
        assert head.VIS_VAE_INPUT_DIM == 2 * head.PENET_MLP_DIM and cfg.MODEL.USE_REWEIGHT == "PENET"
        assert head.CON_PRO_DIM == head.CON_VAE_INPUT_DIM and head.CON_PRO_TYPE == "LLAMA"
        assert bool(cfg.DATALOADER.FEATURE_CACHE) == (task is Task.PREDCLS)


@pytest.mark.parametrize(
    ("word", "status", "said"), [("--help", 0, "Example: scripts/demo.sh"), ("tiny", 2, "there are: full, small")]
)
def test_the_script_answers_before_it_starts(word, status, said):
    result = subprocess.run(["bash", ROOT / "scripts/demo.sh", word], capture_output=True, text=True, timeout=60)
    assert result.returncode == status and said in result.stdout + result.stderr
