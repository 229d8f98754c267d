"""Trainings, resumptions and tests on the second of two pretended GPUs."""

import pytest

from .pretended import run_marked


@pytest.mark.slow
def test_every_task_and_predictor_runs_on_the_gpu_that_is_named(shared):
    assert " passed" in run_marked(shared, "tests/engine/test_on_gpu.py", gpus=2)
