"""Detections from logits and offsets, against the same steps in plain Python."""

import pytest
import torch

from maskrcnn_benchmark.layers import box_iou
from maskrcnn_benchmark.modeling.box_coder import BoxCoder
from maskrcnn_benchmark.modeling.roi_heads.box_head.postprocess import BoxPostProcessor
from maskrcnn_benchmark.structures.bounding_box import BoxList

SIZE, CLASSES = (120, 90), 5
CODER = BoxCoder((10, 10, 5, 5))


def processor(**changes):
    settings = {
        "score_threshold": 0.15,
        "nms_threshold": 0.4,
        "per_class": 300,
        "per_image": 0,
        "filter_duplicates": False,
    }
    return BoxPostProcessor(coder=CODER, **{**settings, **changes})


def inputs(count=40, seed=0, regressions=CLASSES):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([70.0, 50.0])
    boxes = torch.cat([corner, corner + 15 + torch.rand(count, 2, generator=generator) * 40], dim=1)
    return (
        torch.randn(count, CLASSES, generator=generator),
        torch.randn(count, regressions, 4, generator=generator),
        BoxList(boxes, SIZE),
    )


def survivors(logits, offsets, proposals, setting):
    """{(row, label)} after thresholds and suppression within each class, and all scores and boxes."""
    scores, boxes = logits.softmax(dim=1), CODER.decode(offsets, proposals.bbox)
    boxes[..., 0::2] = boxes[..., 0::2].clamp(0, SIZE[0] - 1)
    boxes[..., 1::2] = boxes[..., 1::2].clamp(0, SIZE[1] - 1)
    if boxes.size(1) != CLASSES:
        boxes = boxes[:, -1:].repeat(1, CLASSES, 1)
    left = []
    for label in range(1, CLASSES):
        rows = sorted(
            (r for r in range(len(scores)) if scores[r, label] > setting.score_threshold),
            key=lambda r: -scores[r, label],
        )
        kept = []
        for r in rows:
            if all(float(box_iou(boxes[r, label][None], boxes[o, label][None])) <= setting.nms_threshold for o in kept):
                kept.append(r)
        left += [(r, label) for r in kept[: setting.per_class]]
    return left, scores, boxes


def found_in(result):
    labels, scores = result.get_field("pred_labels").tolist(), result.get_field("pred_scores").tolist()
    return {(label, round(score, 5)) for label, score in zip(labels, scores, strict=True)}


@pytest.mark.parametrize("per_class", [300, 3])
@pytest.mark.parametrize("regressions", [CLASSES, 2])
def test_each_class_is_suppressed_for_itself(regressions, per_class):
    given = inputs(regressions=regressions)
    result = processor(per_class=per_class)(*given[:2], [given[2]])[0]
    expected, scores, boxes = survivors(*given, processor(per_class=per_class))
    assert found_in(result) == {(label, round(float(scores[row, label]), 5)) for row, label in expected}
    assert len(result) == len(expected) > 8
    for box, label, score in zip(
        result.bbox, result.get_field("pred_labels").tolist(), result.get_field("pred_scores"), strict=True
    ):
        row = next(r for r, other in expected if other == label and abs(scores[r, label] - score) < 1e-6)
        torch.testing.assert_close(box, boxes[row, label])


def test_filtering_keeps_a_proposal_once_with_its_best_surviving_class():
    given = inputs()
    setting = processor(filter_duplicates=True)
    result = setting(*given[:2], [given[2]], details=True)[0]
    expected, scores, boxes = survivors(*given, setting)
    best = {}
    for row, label in expected:
        if row not in best or scores[row, label] > scores[row, best[row]]:
            best[row] = label
    rows = sorted(best)
    assert result.get_field("pred_labels").tolist() == [best[row] for row in rows]
    assert any(best[row] != int(scores[row, 1:].argmax()) + 1 for row in rows), (
        "no case where the best class was suppressed"
    )
    torch.testing.assert_close(result.get_field("predict_logits"), given[0][rows])
    torch.testing.assert_close(result.get_field("boxes_per_cls"), boxes[rows])
    torch.testing.assert_close(result.bbox, torch.stack([boxes[row, best[row]] for row in rows]))


def test_the_best_of_the_image_stay_with_ties_of_the_last():
    logits = torch.tensor([[0.0, 3.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.5]])
    boxes = BoxList([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9], [60, 0, 69, 9]], SIZE)
    result = processor(per_image=2)(logits, torch.zeros(4, 2, 4), [boxes])[0]
    assert result.get_field("pred_labels").tolist() == [1, 1, 1]
    assert len(processor(per_image=1)(logits, torch.zeros(4, 2, 4), [boxes])[0]) == 1


def test_labels_of_proposals_travel_with_them():
    logits, offsets, boxes = inputs()
    boxes.add_field("labels", torch.arange(len(boxes)))
    result = processor(filter_duplicates=True)(logits, offsets, [boxes], details=True)[0]
    torch.testing.assert_close(result.get_field("predict_logits"), logits[result.get_field("labels")])


def test_images_are_told_apart_and_may_be_empty():
    (logits, offsets, boxes), (more_logits, more_offsets, more) = inputs(seed=1), inputs(seed=2)
    together = processor()(
        torch.cat([logits, more_logits]), torch.cat([offsets, more_offsets]), [boxes, BoxList([], SIZE), more]
    )
    alone = processor()(more_logits, more_offsets, [more])[0]
    assert len(together[1]) == 0 and found_in(together[2]) == found_in(alone)


def test_no_detection_has_every_field():
    result = processor(score_threshold=1.0)(*inputs()[:2], [inputs()[2]], details=True)[0]
    shapes = {name: tuple(result.get_field(name).shape) for name in result.fields()}
    assert shapes == {
        "pred_labels": (0,),
        "pred_scores": (0,),
        "predict_logits": (0, CLASSES),
        "boxes_per_cls": (0, CLASSES, 4),
    }
