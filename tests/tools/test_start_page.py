"""The commands of docs/start.md, one after the other, as they stand there; only sizes are made small."""

import pytest
from docs.commands import ROOT, blocks

PAGE = ROOT / "docs" / "start.md"
SMALLER = {"--images 210": "--images 6 --workers 1", "SOLVER.MAX_ITER 60": "SOLVER.MAX_ITER 2"}
# Keys that follow each tool that takes keys.
KEYS = "INPUT.MIN_SIZE_TRAIN 64 INPUT.MIN_SIZE_TEST 64 DATALOADER.NUM_WORKERS 0 SOLVER.IMS_PER_BATCH 2 MODEL.DEVICE cpu"


@pytest.mark.slow
def test_the_first_steps_lead_to_a_graph(tmp_path, monkeypatch, run_block):
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for block in blocks(PAGE):
        if block.run_by:
            text = block.text.replace("\\\n", " ")
            for given, smaller in SMALLER.items():
                text = text.replace(given, smaller)
            run_block("\n".join(line + f" {KEYS}" * ("--config-file" in line) for line in text.splitlines()))
    for made in (
        "datasets/scenes/image_data.json",
        "output/first/inference/scenes_test/metrics.json",
        "output/first/report.html",
        "output/graphs/1.json",
        "output/graphs/1.jpg",
    ):
        assert (tmp_path / made).is_file(), made


def test_every_size_that_is_made_small_stands_on_the_page():
    assert all(given in PAGE.read_text() for given in SMALLER)
