"""The suite's own tests of GPUs, on one that is pretended."""

import pytest

from .pretended import run_marked

# Compared with loops in Python, for minutes; what a pretended GPU computes has been compared already, as the CPU's.
SLOW = ("agrees_with_the_definition", "masks_cover", "iou_of_every_pair", "labels_follow")


@pytest.mark.slow
def test_the_tests_of_gpus_pass_on_a_pretended_one(shared):
    words = ["tests", "--ignore", "tests/engine/test_on_gpu.py", "-k", " and ".join(f"not {name}" for name in SLOW)]
    assert " passed" in run_marked(shared, *words)
