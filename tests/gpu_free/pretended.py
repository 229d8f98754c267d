"""Python with a pretended GPU: a CUDA runtime whose memory is the host's, and the CPU's arithmetic behind every op."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def run_marked(shared: Path, *words: str, gpus: int = 1) -> str:
    """
    Runs the tests marked gpu on a pretended GPU; the last lines of pytest.

    Args:
        shared: SGG_SHARED; check/pretend_gpu there pretends. Skips without it, without a CUDA build of torch or the
            CUDA headers.
        words: what pytest is given beside "-m gpu".
        gpus: how many there are.
    """
    runner = shared / "check" / "pretend_gpu" / "run.sh"
    headers = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "include", "cuda_runtime_api.h")
    if not runner.is_file() or torch.version.cuda is None or not headers.is_file():
        pytest.skip(f"needs {runner}, a CUDA build of torch and {headers}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    environment |= {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "PRETEND_GPUS": str(gpus),
    }
    command = [
        "bash",
        str(runner),
        "-m",
        "pytest",
        "-q",
        "-p",
        "pytest_pretend",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    done = subprocess.run(
        [*command, "-m", "gpu", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout
