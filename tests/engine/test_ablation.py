"""The quality benchmark on the smallest data: it runs whole, does nothing twice, and its page says what was found."""

import os
import re
import shutil

import pytest
import torch

from maskrcnn_benchmark.data.scenes.write import Sizes
from maskrcnn_benchmark.engine.ablation import work
from maskrcnn_benchmark.engine.ablation.compare import compare, in_processes
from maskrcnn_benchmark.engine.ablation.plan import Scale, schedule
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap
from maskrcnn_benchmark.utils.errors import UserError

from .test_feature_cache import ROOT
from .tiny import write_data

TINY = Scale(
    name="quick",
    data="scenes_tiny",
    sizes=Sizes(6, 1, 4),
    seeds=(1,),
    detector_iterations=1,
    extractor_iterations=2,
    head_iterations=3,
    sgdet_iterations=2,
    noise_seeds=(1, 2),
)
PENETS = ["PE-Net", "PE-Net with reweighting"]
WITHOUT = [f"SPLN without {part}" for part in ("reweighting", "visual", "conceptual", "curriculum")]
SMALL_HEAD = ["DATALOADER.NUM_WORKERS", "0", "INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MIN_SIZE_TEST", "64"]


@pytest.mark.slow
def test_the_benchmark_runs_whole_and_only_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    configs, page = shutil.copytree(ROOT / "configs/demo", tmp_path / "configs"), tmp_path / "page.md"

    def bench():
        compare(TINY, tmp_path / "out", page, device="cpu", overrides=SMALL_HEAD, configs=configs)
        return page.read_text()

    text = bench()
    rows = re.findall(r"^\| ([A-Z][^|]*) \|", text, re.M)
    assert rows[:11] == [
        "FREQ",
        "Motifs",
        *PENETS,
        *WITHOUT,
        "SPLN with gates as they start",
        "SPLN with VAE_WEIGHT 1",
        "SPLN",
    ]
    assert "2 tests of one trained SPLN" in text and re.search(
        r"^\| mR@50 \| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \|$", text, re.M
    )
    assert "<svg" in (tmp_path / "page.svg").read_text()

    def refuse(cfg, **_):
        raise AssertionError(f"{cfg.OUTPUT_DIR} was trained again")

    monkeypatch.setattr(work, "run_training", refuse)
    assert bench().split("\n\n", 3)[3] == text.split("\n\n", 3)[3]

    workshop = work.Workshop(TINY, tmp_path / "out", configs=configs, device="cpu")
    a, b = (workshop.result(tmp_path / "out" / name / "1") for name in ("pe-net", "spln"))
    found = paired_bootstrap(b.evaluator, a.evaluator, metric="R", k=50)
    assert found["a"] == pytest.approx(b.metrics["R"]["50"]) and found["b"] == pytest.approx(a.metrics["R"]["50"])

    shared = torch.load(tmp_path / "out/shared.pth", weights_only=True)["model"]
    assert any("union_feature_extractor" in name for name in shared) and not any(
        ".relation.predictor." in name for name in shared
    )


def folder_and_process(workshop, model, seed):
    return workshop.output / f"{model}-{seed}-{os.getpid()}"


def test_processes_share_the_runs_and_their_folders_come_in_order(workshop, tmp_path):
    plan = [(folder_and_process, "model", seed) for seed in range(4)]
    folders = list(in_processes(workshop, plan, jobs=2))
    assert [folder.name.rpartition("-")[0] for folder in folders] == [f"model-{seed}" for seed in range(4)]
    assert all(folder.parent == tmp_path for folder in folders)
    assert str(os.getpid()) not in {folder.name.rpartition("-")[2] for folder in folders}


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    write_data(tmp_path, TINY.data)
    return work.Workshop(TINY, tmp_path, configs=ROOT / "configs/demo", device="cpu")


def test_a_run_is_done_again_where_its_data_have_changed(workshop, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(work, "run_training", lambda cfg, **_: runs.append(cfg.OUTPUT_DIR))
    for changed in (False, False, True):
        if changed:
            os.utime(tmp_path / TINY.data / "VG-SGG-with-attri.h5", ns=(1, 1))
        workshop.run("predictor", "predcls.yaml", [])
    assert len(runs) == 2


def test_a_folder_of_another_run_is_never_emptied(workshop, tmp_path):
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector/model_final.pth").write_text("of days of training")
    with pytest.raises(UserError, match="detector holds something that is no run of this benchmark"):
        workshop.run("detector", "detector.yaml", [])
    assert (tmp_path / "detector/model_final.pth").read_text()


def test_a_schedule_falls_twice_within_its_iterations():
    keys = schedule(30, batch=4, rate=0.1, warmup=100)
    assert dict(zip(keys[::2], keys[1::2], strict=True)) == {
        "SOLVER.MAX_ITER": "30",
        "SOLVER.STEPS": "(20, 27)",
        "SOLVER.IMS_PER_BATCH": "4",
        "SOLVER.BASE_LR": "0.1",
        "SOLVER.WARMUP_ITERS": "7",
    }
