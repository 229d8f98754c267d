"""What happens without the extension, and with one that does not fit."""

import os
import subprocess
import sys

import pytest
import torch

from maskrcnn_benchmark.layers import FrozenBatchNorm2d, _extension

WITHOUT_EXTENSION = """
import logging, sys
sys.modules["maskrcnn_benchmark._C"] = None  # an import of it fails
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
import torch
from maskrcnn_benchmark.layers import box_iou, nms, roi_align
boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]])
assert nms(boxes, torch.tensor([0.5, 0.6]), 0.5).tolist() == [1]
assert box_iou(boxes, boxes).shape == (2, 2)
assert roi_align(torch.ones(1, 2, 8, 8), torch.tensor([[0.0, 1, 1, 5, 5]]), 2, 1.0, 2).eq(1).all()
"""


def test_without_the_extension_all_works_with_one_warning_that_says_how_to_build():
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTENSION], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stdout.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "pip install --no-build-isolation -e ." in warnings[0]


@pytest.mark.skipif(not _extension.BUILT, reason="the extension is not built")
def test_every_op_has_a_form_for_the_cpu_and_none_for_unknown_devices():
    for op in ("roi_align", "roi_pool", "nms", "greedy_labels", "relation_nms", "pair_masks", "box_iou"):
        assert _extension.compiled(op, torch.device("cpu"))
        assert not _extension.compiled(op, torch.device("meta"))


def test_frozen_batch_norm_is_batch_norm_without_an_epsilon():
    layer = FrozenBatchNorm2d(5)
    assert sorted(dict(layer.named_buffers())) == ["bias", "running_mean", "running_var", "weight"]
    assert not list(layer.parameters())
    layer.load_state_dict({name: torch.rand(5) + 0.1 for name in layer.state_dict()})
    x = torch.randn(2, 5, 4, 4)
    want = torch.nn.functional.batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, training=False, eps=0.0)
    torch.testing.assert_close(layer(x), want)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
