"""
The baseline predictors against outputs of the published code (SGG_SHARED): the comparison that lies beside those
outputs is run.
"""

import os
import subprocess
import sys

import pytest


@pytest.mark.golden
@pytest.mark.parametrize("predictor", ["imp", "motif", "transformer", "vctree", "causal"])
def test_published_logits_losses_gradients_and_effects(shared, predictor):
    environment = os.environ | {"PREDICTORS": predictor, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, str(shared / "check/predictors.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
