"""Greedy labels and relation NMS against loops that follow their definitions, and against published outputs."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.layers import greedy_labels, relation_nms
from tests.layers.cases import DEVICES, both_forms, iou_of, random_boxes


def plain_greedy_labels(probabilities, boxes, threshold):
    remaining = probabilities.double().numpy().copy()
    labels = [0] * len(remaining)
    for _ in range(len(remaining)):
        open_rows = [i for i, label in enumerate(labels) if label == 0]
        value, row, label = max((remaining[i, c], -i, -c) for i in open_rows for c in range(1, remaining.shape[1]))
        row, label = -row, -label
        labels[row] = label
        for other in open_rows:
            if iou_of(boxes[row, label], boxes[other, label]) >= threshold:
                remaining[other, label] = 0
    return labels


def heaps(count, classes, spread=6.0):
    """Boxes in a few heaps, shaken per class, on a grid of eighths so that overlaps are exact in float32."""
    centre = (random_boxes(3, side=80, most=50) + torch.tensor([0, 0, 10, 10]))[torch.randint(0, 3, (count,))]
    return ((centre[:, None] + torch.rand(count, classes, 4) * spread) * 8).round() / 8


@both_forms
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("count", "classes"), [(0, 5), (1, 2), (2, 9), (30, 40), (25, 4)])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_labels_follow_the_definition(device, count, classes, threshold):
    probabilities, boxes = torch.randn(count, classes).softmax(1), heaps(count, classes)
    have = greedy_labels(probabilities.to(device), boxes.to(device), threshold)
    assert have.dtype == torch.int64
    assert have.tolist() == plain_greedy_labels(probabilities, boxes, threshold)


@both_forms
@pytest.mark.parametrize("device", DEVICES)
def test_equal_probabilities_go_to_the_first_box_and_class(device):
    probabilities, boxes = (torch.rand(20, 6) * 4).round() / 4, heaps(20, 6)
    have = greedy_labels(probabilities.to(device), boxes.to(device), 0.5)
    assert have.tolist() == plain_greedy_labels(probabilities, boxes, 0.5)


@both_forms
def test_every_box_gets_a_foreground_class_when_only_zeros_are_left():
    same = torch.tensor([0.0, 0, 9, 9]).expand(5, 3, 4)
    probabilities = torch.tensor([[0.9, 0.05, 0.05]] * 5)
    assert greedy_labels(probabilities, same, 0.5).tolist() == [1, 2, 1, 1, 1]
    assert greedy_labels(torch.tensor([[1.0, 0, 0]]), same[:1], 0.5).tolist() == [1]


@both_forms
def test_an_overlap_at_the_threshold_suppresses():
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4]])[:, None].expand(2, 3, 4)  # IoU 0.5
    probabilities = torch.tensor([[0.0, 0.9, 0.1], [0.0, 0.8, 0.2]])
    assert greedy_labels(probabilities, boxes, 0.5).tolist() == [1, 2]
    assert greedy_labels(probabilities, boxes, 0.501).tolist() == [1, 1]


@both_forms
def test_labels_in_half_precision():
    probabilities, boxes = torch.randn(20, 8).softmax(1), heaps(20, 8)
    rough = probabilities.bfloat16()
    assert greedy_labels(rough, boxes, 0.5).tolist() == plain_greedy_labels(rough, boxes, 0.5)


@both_forms
def test_labels_do_not_depend_on_memory_format():
    probabilities, boxes = torch.randn(20, 8).softmax(1), heaps(20, 8)
    have = greedy_labels(probabilities.t().contiguous().t(), boxes.permute(2, 0, 1).contiguous().permute(1, 2, 0), 0.5)
    assert torch.equal(have, greedy_labels(probabilities, boxes, 0.5))


@both_forms
@pytest.mark.parametrize("threshold", ["03", "05"])
@pytest.mark.parametrize("case", ["main", "one", "two", "half", "none", "exhausted", "underflow"])
def test_labels_are_the_published_ones(shared, case, threshold):
    """Where published code runs out of probabilities it leaves boxes without a label; those alone are free here."""
    figures = np.load(shared / "golden/label_assignment/label_assignment.npz")
    probabilities, boxes = (torch.from_numpy(figures[f"{case}_{name}"]) for name in ("softmax", "boxes_per_cls"))
    have = greedy_labels(probabilities, boxes, int(threshold) / 10)
    want = torch.from_numpy(figures[f"{case}_t{threshold}_post"])
    assert torch.equal(have[want > 0], want[want > 0])
    assert (have > 0).all()
    assert case in ("exhausted", "underflow") or (want > 0).all()


def plain_relation_nms(probabilities, labels_s, labels_o, boxes_s, boxes_o, threshold):
    remaining = probabilities.double().numpy().copy()
    result = [None] * len(remaining)
    for _ in range(len(remaining)):
        open_rows = [i for i, value in enumerate(result) if value is None]
        value, row, predicate = max((remaining[i, c], -i, -c) for i in open_rows for c in range(remaining.shape[1]))
        row, predicate = -row, -predicate
        result[row] = predicate
        for other in open_rows:
            same = labels_s[row] == labels_s[other] and labels_o[row] == labels_o[other]
            if same and min(iou_of(boxes_s[row], boxes_s[other]), iou_of(boxes_o[row], boxes_o[other])) >= threshold:
                remaining[other, predicate] = 0
    return result


def pairs_of_heaps(entities, predicates, distinct=False, coarse=False):
    """Pairs of boxes in heaps with few labels; `distinct` gives every pair boxes of its own."""
    boxes, labels = heaps(entities, 1)[:, 0], torch.randint(0, 2, (entities,))
    subject, object = (~torch.eye(entities, dtype=torch.bool)).nonzero().t()
    boxes_s, boxes_o = boxes[subject], boxes[object]
    if distinct:
        boxes_s, boxes_o = (b + torch.randint(0, 8, b.shape) / 8 for b in (boxes_s, boxes_o))
    probabilities = torch.randn(len(subject), predicates).softmax(1)
    if coarse:
        probabilities = (probabilities * 8).round() / 8
    return probabilities, labels[subject], labels[object], boxes_s, boxes_o


@both_forms
@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("entities", "predicates"), [(2, 3), (8, 2), (8, 50), (1, 4)])
@pytest.mark.parametrize("threshold", [0.6, 0.2])
def test_predicates_follow_the_definition(distinct, coarse, entities, predicates, threshold):
    inputs = pairs_of_heaps(entities, predicates, distinct, coarse)
    have = relation_nms(*inputs, threshold)
    assert have.dtype == torch.int64
    assert have.tolist() == plain_relation_nms(*inputs, threshold)


@both_forms
def test_a_suppressed_pair_falls_to_its_next_predicate():
    box = torch.tensor([[0.0, 0, 9, 9]]).expand(2, 4)
    one, probabilities = torch.ones(2, dtype=torch.int64), torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.05, 0.15]])
    assert relation_nms(probabilities, one, one, box, box).tolist() == [0, 2]
    assert relation_nms(probabilities, one, torch.tensor([1, 2]), box, box).tolist() == [0, 0]


def test_many_pairs_need_no_table_of_pairs_by_pairs():
    """6,320 pairs × 50 predicates in a table of all pairs would be 2 · 10⁹ entries; this must be over at once."""
    inputs = pairs_of_heaps(80, 50)
    have = relation_nms(*inputs)
    assert have.shape == (6320,)
    assert (have != inputs[0].argmax(1)).any()


@pytest.mark.gpu
def test_predicates_come_back_on_the_device():
    inputs = pairs_of_heaps(6, 5)
    have = relation_nms(*(t.cuda() for t in inputs))
    assert have.is_cuda and torch.equal(have.cpu(), relation_nms(*inputs))


def test_both_compile_whole():
    probabilities, boxes, pairs = torch.randn(9, 5).softmax(1), heaps(9, 5), pairs_of_heaps(4, 5)
    labels = torch.compile(lambda p, b: greedy_labels(p, b, 0.5) + 1, fullgraph=True, backend="aot_eager")
    assert torch.equal(labels(probabilities, boxes), greedy_labels(probabilities, boxes, 0.5) + 1)
    predicates = torch.compile(lambda *a: relation_nms(*a) + 1, fullgraph=True, backend="aot_eager")
    assert torch.equal(predicates(*pairs), relation_nms(*pairs) + 1)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"with O at least 2 .*got \(3, 1\)"):
        greedy_labels(torch.zeros(3, 1), torch.zeros(3, 1, 4), 0.5)
    with pytest.raises(ValueError, match=r"boxes_per_class must be floating-point \(3, 5, 4\), got \(3, 4\)"):
        greedy_labels(torch.zeros(3, 5), torch.zeros(3, 4), 0.5)
    good = pairs_of_heaps(3, 4)
    with pytest.raises(ValueError, match=r"labels_object must be \(6,\) int64, got \(5,\)"):
        relation_nms(good[0], good[1], good[2][:5], *good[3:])
    with pytest.raises(ValueError, match=r"boxes_subject must have 6 rows, got 2"):
        relation_nms(*good[:3], good[3][:2], good[4])
    with pytest.raises(ValueError, match=r"probabilities must be floating-point \(P, K - 1\), got \(6,\)"):
        relation_nms(good[0][:, 0], *good[1:])
