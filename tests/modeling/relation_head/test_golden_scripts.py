"""
The whole model and the baseline predictors against outputs of the published code: the scripts that lie beside those
outputs (SGG_SHARED/check) are run.
"""

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.golden, pytest.mark.slow]
# The scripts fill every weight by themselves and build most models several times: what these would start from is left
# out, a value is drawn once for all of them, and one thread does it, for other tests run beside.
RUN = """
import functools, runpy, sys, torch
for name in ("uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "orthogonal_"):
    setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
torch.set_num_threads = lambda count: None
import common
common.fill.fill_array = functools.cache(common.fill.fill_array)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(script, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script), *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": f"{os.getcwd()}{os.pathsep}{script.parent}"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_baselines_meet_published_logits_losses_gradients_and_effects(shared):
    run(shared / "check/predictors.py", PREDICTORS="imp,motif,transformer,vctree,causal")


def test_the_whole_model_meets_the_published_one_on_given_boxes(shared, tmp_path):
    """PredCls and SGCls, a training step in each, label assignment: X-101, some 10 GB."""
    folder = tmp_path / "end_to_end"
    folder.mkdir()
    (tmp_path / "label_assignment").symlink_to(shared / "golden/label_assignment")
    for name in ("inputs.npz", "predcls_sgcls.pt", "train_nodropout.pt"):
        (folder / name).symlink_to(shared / "golden/end_to_end" / name)
    run(shared / "check/end_to_end.py", folder)


@pytest.mark.skipif(os.environ.get("SGG_CHECK_GOLDEN") != "1", reason="minutes; make check-golden runs it")
def test_the_whole_model_meets_the_published_one_in_all_modes(shared):
    run(shared / "check/end_to_end.py")
