"""
The CUDA kernels, compiled for the CPU: against the C++ ops, and under sanitizers. Takes minutes: make check-kernels.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    os.environ.get("SGG_CHECK_KERNELS") != "1", reason="minutes; make check-kernels runs it"
)
OUT_OF_RANGE = """
import importlib, sys, torch
importlib.import_module("maskrcnn_benchmark._C")
torch.ops.load_library(sys.argv[1])
maps, rois = [torch.rand(1, 2, 8, 8)] * 2, torch.tensor([[0.0, 0, 0, 5, 5]] * 2)
for level in (-1, 2):
    for kernel in (
        lambda levels: torch.ops.kernels_on_cpu.roi_align(maps, rois, levels, 7, 7, [1.0, 0.5], 2),
        lambda levels: torch.ops.kernels_on_cpu.roi_align_backward(torch.ones(2, 2, 7, 7), rois, levels, [1, 2, 8, 8,
        8, 8], [1.0, 0.5], 2),
    ):
        try:
            kernel(torch.tensor([0, level]))
        except IndexError as error:
            assert "levels[roi]" in str(error), error
        else:
            raise SystemExit(f"level {level} of 2 was taken")
"""


def run(*command: str, build: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "BUILD": str(build), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.fixture(scope="module")
def kernels(shared, tmp_path_factory):
    """The folder of the scripts that build and check, and a folder to build in."""
    folder = shared / "check" / "kernels_on_cpu"
    if not (folder / "build.sh").is_file():
        pytest.skip(f"needs {folder}")
    return folder, tmp_path_factory.mktemp("kernels")


def test_kernels_agree_with_the_ops_of_the_cpu_and_refuse_levels_that_do_not_exist(kernels):
    folder, build = kernels
    run("bash", str(folder / "build.sh"), "maskrcnn_benchmark/csrc", build=build)
    run("bash", str(folder / "check.sh"), "build-plain", ".", build=build)
    run(sys.executable, "-c", OUT_OF_RANGE, str(build / "build-plain" / "kernels_on_cpu.so"), build=build)


def test_kernels_are_clean_under_the_address_and_undefined_behaviour_sanitizers(kernels):
    folder, build = kernels
    run("bash", str(folder / "build.sh"), "maskrcnn_benchmark/csrc", "asan", build=build)
    run("bash", str(folder / "check.sh"), "build-asan", ".", "--quick", build=build)
