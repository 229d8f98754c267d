"""What happens without the extension, and with one that does not fit."""

import importlib
import os
import subprocess
import sys

import pytest
import torch

from maskrcnn_benchmark import layers
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
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTENSION], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stdout.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "pip install --no-build-isolation -e ." in warnings[0]


@pytest.mark.skipif(not _extension.BUILT, reason="the extension is not built")
def test_every_op_has_a_form_for_the_cpu_and_none_for_unknown_devices():
    for op in ("roi_align", "roi_pool", "nms", "greedy_labels", "relation_nms", "pair_masks", "box_iou"):
        assert _extension.compiled(op, boxes=torch.zeros(1), groups=None)
        assert not _extension.compiled(op, boxes=torch.zeros(1, device="meta"))


BOXES, AWAY, MAP = torch.zeros(3, 4), torch.zeros(3, 4, device="meta"), torch.zeros(1, 2, 8, 8)
ROIS = torch.zeros(3, 5)
OF_TWO_DEVICES = {
    "scores on meta": lambda: layers.nms(BOXES, AWAY[:, 0], 0.5),
    "groups on meta": lambda: layers.batched_nms(BOXES, BOXES[:, 0], AWAY[:, 0].long(), 0.5),
    "rois on meta": lambda: layers.roi_align(MAP, ROIS.to("meta"), 7, 1.0, 2),
    "levels on meta": lambda: layers.roi_align_levels([MAP], ROIS, AWAY[:, 0].long(), 7, [1.0], 2),
    "features on cpu, rois on meta": lambda: layers.roi_pool(MAP, ROIS.to("meta"), 7, 1.0),
    "boxes_per_class on meta": lambda: layers.greedy_labels(BOXES, AWAY[:, None].expand(3, 4, 4), 0.5),
    "boxes_b on meta": lambda: layers.box_iou(BOXES, AWAY),
    "image_sizes on meta": lambda: layers.pair_masks(BOXES, BOXES, AWAY[:, :2]),
}


@pytest.mark.skipif(not _extension.BUILT, reason="the extension is not built")
def test_what_is_built_is_used(monkeypatch):
    for name in ("assignment", "boxes", "nms", "roi_align", "roi_pool"):
        module = importlib.import_module(f"maskrcnn_benchmark.layers.{name}")
        for form in [form for form in vars(module) if form.endswith("_reference")]:
            monkeypatch.setattr(module, form, None)
    none = ROIS[:, 0].long()
    layers.nms(BOXES, BOXES[:, 0], 0.5)
    layers.batched_nms(BOXES, BOXES[:, 0], none, 0.5)
    layers.roi_align(MAP, ROIS, 7, 1.0, 2)
    layers.roi_align_levels([MAP], ROIS, none, 7, [1.0], 2)
    layers.roi_align_levels([MAP], ROIS, None, 7, [1.0], 2)
    layers.roi_pool(MAP, ROIS, 7, 1.0)
    layers.greedy_labels(BOXES, BOXES[:, None].expand(3, 4, 4), 0.5)
    layers.box_iou(BOXES, BOXES)
    layers.pair_masks(BOXES, BOXES, BOXES[:, :2] + 9)
    layers.relation_nms(BOXES, none, none, BOXES, BOXES)


@pytest.mark.parametrize("found", OF_TWO_DEVICES)
def test_tensors_of_two_devices_are_refused_by_their_names(found):
    with pytest.raises(ValueError, match=f"must be on one device, got .*{found}"):
        OF_TWO_DEVICES[found]()


def test_frozen_batch_norm_is_batch_norm_without_an_epsilon():
    layer = FrozenBatchNorm2d(5)
    assert sorted(dict(layer.named_buffers())) == ["bias", "running_mean", "running_var", "weight"]
    assert not list(layer.parameters())
    layer.load_state_dict({name: torch.rand(5) + 0.1 for name in layer.state_dict()})
    x = torch.randn(2, 5, 4, 4)
    want = torch.nn.functional.batch_norm(
        x, layer.running_mean, layer.running_var, layer.weight, layer.bias, training=False, eps=0.0
    )
    torch.testing.assert_close(layer(x), want)
    assert layer(x.bfloat16()).dtype == torch.bfloat16
