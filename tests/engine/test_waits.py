"""
How often the host waits for the GPU: in an update, and in the test of an image. Counted on a pretended GPU, which tells
them by line.
"""

import sys
from collections import Counter

import pytest
import torch

from maskrcnn_benchmark.config import load_config
from maskrcnn_benchmark.engine import inference
from maskrcnn_benchmark.engine.commands import run_test, run_training
from maskrcnn_benchmark.engine.resume import TrainingState

from .test_on_gpu import HEAD, TASKS, on_a_detector, spln

pytestmark = pytest.mark.gpu

BARE = [
    "MODEL.DEVICE",
    "cuda",
    "SOLVER.TO_VAL",
    False,
    "SOLVER.CHECKPOINT_PERIOD",
    100,
    "SOLVER.LOG_PERIOD",
    100,
    "SOLVER.MAX_ITER",
    4,
]
FROZEN = ["MODEL.FREEZE_DETECTOR", True]


@pytest.fixture
def waits(monkeypatch):
    """waits() -> what was waited for since its last call, by kind, line and op."""
    pretended = sys.modules.get("pretend_gpu")
    if pretended is None:
        pytest.skip("a real GPU does not count them")
    monkeypatch.setattr(pretended, "WATCHED", ["maskrcnn_benchmark/"])
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: pretended.note("all of the device", "synchronize"))
    before = Counter()

    def since():
        counts = Counter({key: n for key, n in pretended.SYNCS.items() if "not waited for" not in key[0]})
        new = counts - before
        before.clear()
        before.update(counts)
        return new

    return since


def text(counts):
    return "\n".join(f"{n} {kind}: {line} ({op})" for (kind, line, op), n in counts.most_common())


def of_an_update(monkeypatch, waits, cfg):
    """The waits of an update of two images, the third."""
    finish, seen = TrainingState.finish, []

    def finish_and_count(*args, **options):
        stopping = finish(*args, **options)
        seen.append(waits())
        return stopping

    monkeypatch.setattr(TrainingState, "finish", finish_and_count)
    run_training(cfg, skip_test=True)
    return seen[3]  # the first was at the start


CASES = {
    "PE-Net in PredCls": (4, "predcls", False),
    "SPLN in PredCls": (4, "predcls", True),
    "PE-Net in SGDet": (20, "sgdet", False),
}


@pytest.mark.parametrize("case", CASES)
def test_an_update_of_a_relation_model_waits_so_often_at_most(world, monkeypatch, waits, case):
    limit, task, prototypes = CASES[case]
    keys = [*BARE, *FROZEN, *TASKS[task], *on_a_detector(world), *(spln(world) if prototypes else [])]
    found = of_an_update(monkeypatch, waits, load_config(world / "relation.yaml", keys))
    assert found.total() <= limit, text(found)


def test_an_update_of_a_detector_waits_so_often_at_most(world, monkeypatch, waits):
    found = of_an_update(monkeypatch, waits, load_config(world / "detector.yaml", BARE))
    assert found.total() <= 8, text(found)


def test_an_update_on_cached_features_waits_so_often_at_most(world, monkeypatch, waits):
    started = load_config(world / "relation.yaml", [*BARE, "OUTPUT_DIR", world / "first", "SOLVER.MAX_ITER", 1])
    run_training(started, skip_test=True)
    keys = [HEAD + "FREEZE_FEATURE_EXTRACTORS", True, "DATALOADER.FEATURE_CACHE", "cache"]
    keys += ["MODEL.WEIGHT", world / "first" / "model_final.pth"]
    found = of_an_update(
        monkeypatch, waits, load_config(world / "relation.yaml", [*BARE, *FROZEN, *keys, *spln(world)])
    )
    assert found.total() <= 3, text(found)


def test_an_evaluated_image_of_sgdet_waits_so_often_at_most(world, monkeypatch, waits):
    keys = [*BARE, *FROZEN, *TASKS["sgdet"], *on_a_detector(world), "SOLVER.MAX_ITER", 1]
    cfg = load_config(world / "relation.yaml", keys)
    run_training(cfg, skip_test=True)
    plain, seen = inference.predictions, []

    def counted(*args):
        waits()
        yield from plain(*args)
        seen.append(waits())

    monkeypatch.setattr(inference, "predictions", counted)
    (figures,) = run_test(cfg, weight_named=False).values()
    assert seen[0].total() / figures["images"] <= 6, text(seen[0])
