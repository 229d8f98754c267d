"""
The baseline predictors against outputs of the published code (SGG_SHARED): the comparison that lies beside those
outputs is run.
"""

import os
import subprocess
import sys

import pytest

# The comparison fills every weight by itself and builds most models several times: what they start from is left out,
# and a value is drawn once for all of them.
RUN = """
import functools, runpy, sys, torch
for name in ("uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "orthogonal_"):
    setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
import common
common.fill.fill_array = functools.cache(common.fill.fill_array)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.golden
@pytest.mark.slow
@pytest.mark.parametrize("predictor", ["imp", "motif", "transformer", "vctree", "causal"])
def test_published_logits_losses_gradients_and_effects(shared, predictor):
    check = shared / "check"
    environment = os.environ | {"PREDICTORS": predictor}
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(check / "predictors.py")],
        env=environment | {"PYTHONPATH": f"{os.getcwd()}{os.pathsep}{check}"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
