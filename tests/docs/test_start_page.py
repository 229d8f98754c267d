"""The commands of docs/start.md, one after the other, as they stand there; only sizes are made small."""

import os
import subprocess
import sys

import pytest

from docs.commands import ROOT, blocks

PAGE = ROOT / "docs" / "start.md"
SMALLER = {"--images 210": "--images 6 --workers 1", "SOLVER.MAX_ITER 60": "SOLVER.MAX_ITER 2"}
# Keys that follow each tool that takes keys.
KEYS = "INPUT.MIN_SIZE_TRAIN 64 INPUT.MIN_SIZE_TEST 64 DATALOADER.NUM_WORKERS 0 SOLVER.IMS_PER_BATCH 2 MODEL.DEVICE cpu"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    for name in ("tools", "configs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.slow
def test_the_first_steps_lead_to_a_graph(folder):
    script = ["set -eu"]
    for block in blocks(PAGE):
        if block.run_by:
            text = block.text.replace("\\\n", " ")
            for given, smaller in SMALLER.items():
                text = text.replace(given, smaller)
            script += [line + f" {KEYS}" * ("--config-file" in line) for line in text.splitlines()]
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("DATA_DIR", None)
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=folder, capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for made in (
        "datasets/scenes/image_data.json",
        "output/first/inference/scenes_test/metrics.json",
        "output/first/report.html",
        "output/graphs/1.json",
        "output/graphs/1.jpg",
    ):
        assert (folder / made).is_file(), made


def test_every_size_that_is_made_small_stands_on_the_page():
    assert all(given in PAGE.read_text() for given in SMALLER)
