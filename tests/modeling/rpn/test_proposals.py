"""Choosing proposals, against the same steps in plain Python."""

import math

import pytest
import torch

from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.rpn.proposals import ProposalSelector, add_ground_truth_boxes
from maskrcnn_benchmark.structures.bounding_box import BoxList

CODER = BoxCoder((1, 1, 1, 1))
SIZES = [(100, 80), (60, 90)]


def selector(**changes):
    return ProposalSelector(
        **{"coder": CODER, "pre_nms": 25, "post_nms": 12, "total": 15, "nms_threshold": 0.5, "min_size": 6, **changes}
    )


def levels(counts=(40, 30)):
    generator = torch.Generator().manual_seed(5)
    anchors, logits, offsets = [], [], []
    for count in counts:
        corner = torch.rand(count, 2, generator=generator) * 70 - 5
        anchors.append(torch.cat([corner, corner + 4 + torch.rand(count, 2, generator=generator) * 30], dim=1))
        logits.append(torch.randn(2, count, generator=generator))
        offsets.append(torch.randn(2, count, 4, generator=generator) * 0.3)
    return anchors, logits, offsets


def decoded(anchor, offset, size):
    width, height = anchor[2] - anchor[0] + 1, anchor[3] - anchor[1] + 1
    x, y = anchor[0] + width / 2 + offset[0] * width, anchor[1] + height / 2 + offset[1] * height
    width, height = width * math.exp(offset[2]), height * math.exp(offset[3])
    box = [x - width / 2, y - height / 2, x + width / 2 - 1, y + height / 2 - 1]
    return [min(max(c, 0), size[i % 2] - 1) for i, c in enumerate(box)]


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(w, 0) * max(h, 0)
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return shared / (sum(areas) - shared)


def chosen_plainly(anchors, logits, offsets, image, setting):
    together = []
    for level in range(len(anchors)):
        scores = logits[level][image].tolist()
        order = sorted(range(len(scores)), key=lambda i: -scores[i])[: setting.pre_nms]
        kept = []
        for i in order:
            box = decoded(anchors[level][i].tolist(), offsets[level][image, i].tolist(), SIZES[image])
            if min(box[2] - box[0], box[3] - box[1]) + 1 < setting.min_size:
                continue
            if all(iou(box, other) <= setting.nms_threshold for _, other in kept):
                kept.append((1 / (1 + math.exp(-scores[i])), box))
        together += kept[: setting.post_nms]
    return together


@pytest.mark.parametrize("image", [0, 1])
def test_the_best_of_each_level_then_of_all(image):
    inputs = levels()
    found = selector()(*inputs, SIZES)[image]
    expected = sorted(chosen_plainly(*inputs, image, selector()), key=lambda pair: -pair[0])[:15]
    torch.testing.assert_close(
        found.get_field("objectness"), torch.tensor([score for score, _ in expected]), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(found.bbox, torch.tensor([box for _, box in expected]), rtol=1e-4, atol=1e-3)
    assert found.size == SIZES[image]


def test_with_a_single_level_the_total_does_not_act():
    inputs = [part[:1] for part in levels()]
    found = selector(total=3)(*inputs, SIZES)[0]
    assert len(found) == len(chosen_plainly(*inputs, 0, selector())) > 3


def test_the_total_can_count_a_batch():
    inputs = levels()
    found = selector(per_batch=True, total=18)(*inputs, SIZES)
    everything = [pair for image in (0, 1) for pair in chosen_plainly(*inputs, image, selector())]
    expected = sorted((score for score, _ in everything), reverse=True)[:18]
    scores = torch.cat([boxes.get_field("objectness") for boxes in found]).sort(descending=True).values
    torch.testing.assert_close(scores, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_nothing_large_enough_is_legal():
    assert [len(boxes) for boxes in selector(min_size=1000)(*levels(), SIZES)] == [0, 0]


def test_annotated_boxes_join_behind_with_objectness_one():
    proposals = selector()(*levels(), SIZES)
    target = BoxList([[1, 2, 10, 11]], SIZES[0])
    joined = add_ground_truth_boxes(proposals, [target, BoxList([], SIZES[1])])
    assert joined[0].bbox[-1].tolist() == [1, 2, 10, 11] and joined[0].get_field("objectness")[-1] == 1
    assert [len(j) - len(p) for j, p in zip(joined, proposals, strict=True)] == [1, 0]
