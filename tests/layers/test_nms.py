"""NMS against its definition and torchvision's."""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_benchmark.layers import batched_nms, nms
from tests.layers.cases import DEVICES, both_forms, iou_of, random_boxes


def plain_nms(boxes, scores, threshold, groups=None):
    """Kept indices by descending score; the definition, box by box."""
    groups = torch.zeros(len(boxes)) if groups is None else groups
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i].item()):
        if all(groups[i] != groups[k] or iou_of(boxes[k], boxes[i]) <= threshold for k in kept):
            kept.append(i)
    return kept


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 150])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_agrees_with_the_definition(device, count, threshold):
    boxes, scores, groups = random_boxes(count), (torch.rand(count) * 20).round(), torch.randint(-2, 5, (count,))
    assert nms(boxes.to(device), scores.to(device), threshold).tolist() == plain_nms(boxes, scores, threshold)
    have = batched_nms(boxes.to(device), scores.to(device), groups.to(device), threshold)
    assert have.tolist() == plain_nms(boxes, scores, threshold, groups)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_torchvision_on_boxes_that_are_one_larger(device, dtype):
    boxes, scores = random_boxes(3000, side=600, most=200, dtype=dtype), torch.rand(3000)
    grown = boxes.double() + torch.tensor([0, 0, 1, 1])
    want = torchvision.ops.nms(grown, scores.double(), 0.5)
    assert torch.equal(nms(boxes.to(device), scores.to(device), 0.5).cpu(), want)


@pytest.mark.parametrize("device", DEVICES)
def test_groups_agree_with_one_call_each(device):
    boxes, scores, groups = random_boxes(2000, side=600, most=200), torch.rand(2000), torch.randint(0, 9, (2000,))
    kept = torch.cat(
        [(members := (groups == g).nonzero()[:, 0])[nms(boxes[members], scores[members], 0.4)] for g in range(9)]
    )
    want = kept[scores[kept].argsort(descending=True)]
    assert torch.equal(batched_nms(boxes.to(device), scores.to(device), groups.to(device), 0.4).cpu(), want)


@both_forms
def test_groups_never_touch_whatever_the_coordinates():
    """Adding an offset per group to float32 coordinates, as is often done, loses what lies below a pixel here."""
    box = torch.tensor([[0.0, 0, 10.25, 10], [0, 0, 10.5, 10]])
    assert batched_nms(box, torch.tensor([0.9, 0.8]), torch.tensor([0, 10**9]), 0.5).tolist() == [0, 1]
    assert batched_nms(box, torch.tensor([0.9, 0.8]), torch.tensor([10**9, 10**9]), 0.97).tolist() == [0]


@both_forms
def test_an_overlap_at_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4]])  # 50 of 100 pixels
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.499).tolist() == [0]


@both_forms
def test_order_is_by_score_and_ties_keep_theirs():
    boxes = torch.tensor([[0.0, 0, 9, 9], [100, 0, 109, 9], [200, 0, 209, 9], [300, 0, 309, 9]])
    assert nms(boxes, torch.tensor([0.1, 0.5, 0.9, 0.5]), 0.5).tolist() == [2, 1, 3, 0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 12)] * 4, st.integers(0, 3)), max_size=40),
    st.floats(0, 1, width=32),
)
def test_any_boxes(rows, threshold):
    """Integer corners, also inverted ones: kept boxes agree with the definition in exact arithmetic."""
    boxes = torch.tensor([[x, y, x + w, y + h] for x, y, w, h, _ in rows], dtype=torch.float64).reshape(-1, 4)
    scores = torch.tensor([row[4] for row in rows], dtype=torch.float64)
    assert nms(boxes, scores, threshold).tolist() == plain_nms(boxes, scores, threshold)


@both_forms
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    boxes, scores = (random_boxes(50) * 4).round() / 4, torch.linspace(0, 1, 50)
    rough = boxes.to(dtype)
    assert nms(rough, scores, 0.3).tolist() == plain_nms(rough.double(), scores, 0.3)


@both_forms
def test_views_and_gradients_are_accepted():
    boxes, scores = random_boxes(50), torch.rand(50)
    want = nms(boxes, scores, 0.3)
    wide = torch.randn(50, 8)
    wide[:, ::2] = boxes
    pairs = torch.stack([scores, scores], dim=1).requires_grad_()
    assert torch.equal(nms(wide[:, ::2].requires_grad_(), pairs[:, 1], 0.3), want)


def test_compiles_whole():
    boxes, scores = random_boxes(50), torch.rand(50)
    compiled = torch.compile(lambda b, s: b[nms(b, s, 0.3)] * 2, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(boxes, scores), boxes[nms(boxes, scores, 0.3)] * 2)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"boxes must be floating-point \(n, 4\) xyxy, got \(3, 5\)"):
        nms(torch.zeros(3, 5), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match="int64"):
        nms(torch.zeros(3, 4, dtype=torch.int64), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"scores must be \(3,\), got \(2,\)"):
        nms(torch.zeros(3, 4), torch.zeros(2), 0.5)
    with pytest.raises(ValueError, match=r"groups must be \(3,\) int64"):
        batched_nms(torch.zeros(3, 4), torch.zeros(3), torch.zeros(3), 0.5)
