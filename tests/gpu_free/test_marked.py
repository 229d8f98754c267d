"""The suite's own tests of GPUs, on two that are pretended: their memory is the host's, their arithmetic the CPU's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
# Compared with loops in Python, for minutes; what a pretended GPU computes has been compared already, as the CPU's.
SLOW = ("agrees_with_the_definition", "masks_cover", "iou_of_every_pair", "labels_follow")


@pytest.mark.slow
def test_the_tests_of_gpus_pass_on_a_pretended_one(shared):
    runner = shared / "check" / "pretend_gpu" / "run.sh"
    headers = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "include", "cuda_runtime_api.h")
    if not runner.is_file() or torch.version.cuda is None or not headers.is_file():
        pytest.skip(f"needs {runner}, a CUDA build of torch and {headers}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    environment |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "PRETEND_GPUS": "2"}
    plugins = ["-p", "pytest_pretend", "-p", "no:cacheprovider", "-p", "no:xdist"]
    chosen = ["-m", "gpu", "-k", " and ".join(f"not {name}" for name in SLOW)]
    done = subprocess.run(
        ["bash", str(runner), "-m", "pytest", "-q", "tests", *plugins, *chosen],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
