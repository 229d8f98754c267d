"""An image's result does not depend on its company, and batches may hold images of any kind."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.evaluation.relation_scores import RelationScores, groundtruth_arrays, prediction_arrays
from maskrcnn_benchmark.modeling.detector import build_detection_model
from maskrcnn_benchmark.structures.image_list import ImageList

from .small import META, MODES, annotation, config, images, targets


def build(mode, *words):
    torch.manual_seed(0)
    model = build_detection_model(config(mode, *words), META)
    for name, parameter in model.named_parameters():
        if "cls_score" in name or "bbox_pred" in name or "cls_logits" in name:
            torch.nn.init.normal_(parameter, std=0.1)  # scores far enough apart that rounding does not turn an order
    return model


def relations(result):
    """(n, n, K) scores by pair, zeros where there is none."""
    table = torch.zeros(len(result), len(result), len(META.predicates))
    pairs = result.get_field("rel_pair_idxs")
    table[pairs[:, 0], pairs[:, 1]] = result.get_field("pred_rel_scores")
    return table


@pytest.mark.parametrize("mode", MODES)
def test_four_images_give_what_each_gives_alone_on_the_same_canvas(mode):
    model, annotated = build(mode).eval(), targets()
    batch = model.normalizer(images())
    with torch.no_grad():
        together = model(batch, annotated)
        for i, expected in enumerate(together):
            alone = model(ImageList(batch.tensors[i : i + 1], batch.image_sizes[i : i + 1]), annotated[i : i + 1])[0]
            assert alone.size == expected.size and len(alone) > 1
            torch.testing.assert_close(alone.bbox, expected.bbox, rtol=1e-4, atol=1e-4)
            assert alone.get_field("pred_labels").tolist() == expected.get_field("pred_labels").tolist()
            torch.testing.assert_close(
                alone.get_field("pred_scores"), expected.get_field("pred_scores"), rtol=1e-4, atol=1e-4
            )
            if mode != "detection":
                torch.testing.assert_close(relations(alone), relations(expected), rtol=1e-4, atol=1e-4)


# -- images with little or nothing in them -----------------------------------------------------------------------------

APART = [[2, 3, 20, 30], [40, 40, 60, 60]]
KINDS = {
    "no box": ([], [], []),
    "one box": (APART[:1], [2], []),
    "no relation": (APART, [1, 3], []),
    "no overlap": (APART, [1, 3], [[0, 1, 2]]),
    "ordinary": ([[2, 3, 40, 50], [10, 20, 60, 60], [30, 5, 63, 30]], [1, 2, 3], [[0, 1, 1], [1, 2, 3]]),
}
BATCHES = [[kind] for kind in KINDS] + [
    ["no box"] * 4,
    ["one box"] * 4,
    ["no box", "one box", "no overlap", "ordinary"],
]
BATCHES += [["ordinary", "no relation", "no box", "no box"]]


def batch_of(kinds):
    sizes = [image.shape[-2:] for image in images()[: len(kinds)]]
    annotated = [
        annotation((size[1], size[0]), *KINDS[kind], image_id=i)
        for i, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
    ]
    return images()[: len(kinds)], annotated


def settings(overlap, detections):
    words = ["MODEL.ROI_RELATION_HEAD.REQUIRE_BOX_OVERLAP", overlap, "TEST.RELATION.REQUIRE_OVERLAP", overlap]
    return words if detections else [*words, "MODEL.ROI_HEADS.SCORE_THRESH", 1.0]


@pytest.fixture(
    scope="module",
    params=[(mode, True, True) for mode in MODES] + [("sgdet", False, True), ("sgdet", False, False)],
    ids=str,
)
def built(request):
    mode, overlap, detections = request.param
    return mode, overlap, detections, build(mode, *settings(overlap, detections))


@pytest.mark.parametrize("kinds", BATCHES, ids=lambda kinds: ", ".join(kinds))
def test_a_batch_of_any_images_trains(kinds, built):
    model = built[-1].train()
    model.zero_grad()
    losses = model(*batch_of(kinds))
    total = sum(losses.values())
    assert torch.isfinite(total), losses
    if total.requires_grad:
        total.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    if "ordinary" in kinds:
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("kinds", BATCHES, ids=lambda kinds: ", ".join(kinds))
def test_a_batch_of_any_images_is_evaluated(kinds, built):
    mode, overlap, detections, model = built
    given, annotated = batch_of(kinds)
    with torch.no_grad():
        results = model.eval()(given, annotated)
    assert [result.size for result in results] == [target.size for target in annotated]
    for kind, result, target in zip(kinds, results, annotated, strict=True):
        n = len(result)
        assert result.get_field("pred_labels").shape == result.get_field("pred_scores").shape == (n,)
        if mode == "detection":
            continue
        pairs, scores = result.get_field("rel_pair_idxs"), result.get_field("pred_rel_scores")
        assert pairs.shape == (len(pairs), 2) and scores.shape == (len(pairs), len(META.predicates))
        assert torch.isfinite(scores).all() and (pairs[:, 0] != pairs[:, 1]).all()
        if mode != "sgdet":
            assert result.bbox.tolist() == target.bbox.tolist()
            assert len(pairs) == {"no box": 0, "one box": 0, "ordinary": 6}.get(
                kind, 2
            )  # overlap is asked of detections alone
        elif not detections:
            assert n == len(pairs) == 0
        else:
            assert n > 1
            # The boxes that overlap are those before each is given its final class, and with it its final place.
            assert 0 < len(pairs) <= n * (n - 1) if overlap else len(pairs) == n * (n - 1)


@pytest.mark.parametrize(
    "built", [(mode, True, True) for mode in MODES[1:]] + [("sgdet", False, False)], indirect=True, ids=str
)
@pytest.mark.parametrize("size", [1, 4])
def test_figures_of_odd_images_are_numbers_or_absent(size, built):
    mode, _, detections, model = built
    kinds = ["no box", "one box", "no overlap", "no relation"]
    scores = RelationScores.of_training(Task.from_cfg(config(mode)), META, zeroshot_triplets=np.array([[1, 3, 2]]))
    given, annotated = batch_of(kinds)
    with torch.no_grad():
        results = [r for i in range(0, 4, size) for r in model.eval()(given[i : i + size], annotated[i : i + size])]
    for index, (result, target) in enumerate(zip(results, annotated, strict=True)):
        scores.update(prediction_arrays(result), groundtruth_arrays(target), image_id=index)
    metrics = scores.summary()
    assert metrics["images"] == 4 and metrics["choices"]["images_without_relations"] == 3
    found = metrics["ng-R"]["100"]  # every predicate of the one pair in question is among so many
    assert found == 1 if mode == "predcls" else 0 <= found <= 1 if detections else found == 0
    assert metrics["ng-zR"]["100"] == found and 0 <= metrics["R"]["100"] <= found


def test_nothing_but_images_without_relations_gives_no_figure():
    model = build("predcls").eval()
    scores = RelationScores.of_training(Task.PREDCLS, META, zeroshot_triplets=np.zeros((0, 3)))
    given, annotated = batch_of(["no box", "one box"])
    with torch.no_grad():
        results = model(given, annotated)
    for index, (result, target) in enumerate(zip(results, annotated, strict=True)):
        scores.update(prediction_arrays(result), groundtruth_arrays(target), image_id=index)
    metrics = scores.summary()
    assert metrics["R"]["100"] is None and metrics["mR"]["100"] is None and metrics["freq"]["R"]["100"] is None
