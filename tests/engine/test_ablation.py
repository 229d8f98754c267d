"""The quality benchmark on the smallest data: it runs whole, does nothing twice, and its page says what was found."""

import re

import pytest
import torch

from maskrcnn_benchmark.data.scenes.write import Sizes
from maskrcnn_benchmark.engine.ablation import work
from maskrcnn_benchmark.engine.ablation.compare import compare
from maskrcnn_benchmark.engine.ablation.plan import Scale, schedule
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap

from .test_feature_cache import ROOT

TINY = Scale(
    name="quick",
    data="scenes_tiny",
    sizes=Sizes(6, 1, 4),
    seeds=(1,),
    detector_iterations=1,
    extractor_iterations=2,
    head_iterations=3,
    sgdet_iterations=2,
)
SMALL_HEAD = ["DATALOADER.NUM_WORKERS", "0", "INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.MIN_SIZE_TEST", "64"]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Runs the benchmark; returns the page's text."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(scale=TINY):
        page = tmp_path / "page.md"
        compare(scale, tmp_path / "out", page, device="cpu", overrides=SMALL_HEAD, configs=ROOT / "configs/demo")
        return page.read_text()

    return run


@pytest.mark.slow
def test_the_benchmark_runs_whole_and_only_once(bench, tmp_path, monkeypatch):
    trained = []
    run_training = work.run_training

    def counting(cfg, *, skip_test):
        trained.append(cfg.OUTPUT_DIR)
        return run_training(cfg, skip_test=skip_test)

    monkeypatch.setattr(work, "run_training", counting)
    text = bench()
    rows = re.findall(r"^\| ([A-Z][^|]*) \|", text, re.M)
    models = ["FREQ", "Motifs", "PE-Net", "PE-Net-Reweight"]
    versions = ["SPLN without conceptual", "SPLN with mean fusion", "SPLN"]
    models += [f"{version} ({source})" for version in versions for source in ("relation", "detector")]
    assert rows[: len(models)] == models
    assert "<svg" in (tmp_path / "page.svg").read_text()
    # Detector, extractors, two prototype files, nine models, three models in SGDet.
    assert len(trained) == 1 + 1 + 2 + 9 + 3
    before = text.split("\n\n", 3)[3]
    assert bench().split("\n\n", 3)[3] == before and len(trained) == 16

    workshop = work.Workshop(TINY, tmp_path / "out", configs=ROOT / "configs/demo", device="cpu")
    a, b = (workshop.result(tmp_path / "out" / name / "1") for name in ("pe-net", "spln--relation"))
    found = paired_bootstrap(b.evaluator, a.evaluator, metric="R", k=50)
    assert found["a"] == pytest.approx(b.metrics["R"]["50"]) and found["b"] == pytest.approx(a.metrics["R"]["50"])

    shared = torch.load(tmp_path / "out/shared.pth", weights_only=True)["model"]
    assert any("union_feature_extractor" in name for name in shared) and not any(".predictor." in n for n in shared if "relation" in n)


def test_a_schedule_falls_twice_within_its_iterations():
    keys = schedule(30, batch=4, rate=0.1, warmup=100)
    assert dict(zip(keys[::2], keys[1::2], strict=True)) == {
        "SOLVER.MAX_ITER": "30",
        "SOLVER.STEPS": "(20, 27)",
        "SOLVER.IMS_PER_BATCH": "4",
        "SOLVER.BASE_LR": "0.1",
        "SOLVER.WARMUP_ITERS": "7",
    }
