"""Open Images figures against plain double loops in float64."""

import json

import numpy as np
import pytest

from maskrcnn_benchmark.evaluation.open_images import OpenImagesEvaluator
from tests.evaluation.scenes import apart, predict, random_image, truth


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(width, 0) * max(height, 0)
    areas = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
    return shared / (sum(areas) - shared)


def around(a, b):
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def detections_of(prediction):
    """(score, subject, object, predicate) of an image, descending."""
    everything = []
    for row, (s, o) in enumerate(prediction["pairs"].tolist()):
        scores = [float(x) for x in prediction["predicate_scores"][row]]
        for predicate in sorted(range(1, len(scores)), key=lambda k: -scores[k])[:2]:
            everything.append(
                (scores[predicate] * float(prediction["scores"][s]) * float(prediction["scores"][o]), s, o, predicate)
            )
    return [d for d in sorted(everything, key=lambda d: -d[0])[:100] if d[0] > 1e-5]


def plain_figures(images, num_predicates):
    images = [
        tuple({key: value.astype(float) if key == "boxes" else value for key, value in x.items()} for x in image)
        for image in images
    ]
    hits, total, counts = {20: 0, 50: 0, 100: 0}, 0, [0] * num_predicates
    for prediction, groundtruth in images:
        ranked = detections_of(prediction)
        for s, o, p in groundtruth["relations"].tolist():
            total, counts[p] = total + 1, counts[p] + 1
            for k in hits:
                hits[k] += any(
                    predicate == p
                    and all(
                        prediction["labels"][mine] == groundtruth["labels"][true]
                        and overlap(prediction["boxes"][mine], groundtruth["boxes"][true]) >= 0.5
                        for mine, true in ((subject, s), (object_, o))
                    )
                    for _, subject, object_, predicate in ranked[:k]
                )
    ap = {
        kind: [plain_ap(images, p, kind, counts[p]) if counts[p] else None for p in range(num_predicates)]
        for kind in ("rel", "phr")
    }
    return {k: n / total for k, n in hits.items()}, ap, counts


def plain_ap(images, wanted, kind, total):
    everything = [
        (d, i) for i, (prediction, _) in enumerate(images) for d in detections_of(prediction) if d[3] == wanted
    ]
    everything.sort(key=lambda item: -item[0][0])
    taken, hits, points = set(), 0, []
    for place, ((_, s, o, _), i) in enumerate(everything, start=1):
        prediction, groundtruth = images[i]
        best, nearest = -1.0, None
        for number, (ts, to, p) in enumerate(groundtruth["relations"].tolist()):
            labels_agree = (prediction["labels"][s], prediction["labels"][o]) == (
                groundtruth["labels"][ts],
                groundtruth["labels"][to],
            )
            if p != wanted or not labels_agree:
                continue
            mine, true = (
                (prediction["boxes"][s], prediction["boxes"][o]),
                (groundtruth["boxes"][ts], groundtruth["boxes"][to]),
            )
            value = (
                min(overlap(mine[0], true[0]), overlap(mine[1], true[1]))
                if kind == "rel"
                else overlap(around(*mine), around(*true))
            )
            if value > best:
                best, nearest = value, (i, number)
        if best > 0.5 and nearest not in taken:
            taken.add(nearest)
            hits += 1
        points.append((hits / total, hits / place))
    area, reached = 0.0, 0.0
    for recall, _ in points:  # at each step of recall the best precision from there on
        if recall > reached:
            area += (recall - reached) * max(precision for further, precision in points if further >= recall)
            reached = recall
    return area


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_plain_loops(seed):
    rng = np.random.default_rng(seed)
    images = [
        random_image(rng, "sgdet", 4, int(rng.integers(0, 6)), found_boxes=8, num_predicates=6) for _ in range(12)
    ]
    parts = [OpenImagesEvaluator(6) for _ in range(2)]
    for i, image in enumerate(images):
        parts[i % 2].update(*image, image_id=i)
    parts[0].merge(parts[1])
    summary = parts[0].summary()
    recall, ap, counts = plain_figures(images, 6)
    assert summary["R"] == {str(k): pytest.approx(value, abs=1e-12) for k, value in recall.items()}
    present = [p for p in range(1, 6) if counts[p]]
    for kind in ("rel", "phr"):
        for p in present:
            assert summary["per_predicate"][str(p)][f"AP_{kind}"] == pytest.approx(ap[kind][p], abs=1e-12)
        assert summary[f"mAP_{kind}"] == pytest.approx(np.mean([ap[kind][p] for p in present]), abs=1e-12)
        weighted = sum(ap[kind][p] * counts[p] for p in present) / sum(counts)
        assert summary[f"wmAP_{kind}"] == pytest.approx(weighted, abs=1e-12)
    assert summary["score_wtd"] == pytest.approx(
        0.2 * recall[50] + 0.4 * summary["wmAP_rel"] + 0.4 * summary["wmAP_phr"]
    )
    assert 0 < summary["wmAP_rel"] < summary["wmAP_phr"] < 1


def test_an_annotation_is_taken_once_and_the_rest_are_false():
    scene = truth(apart(2), [1, 2], [[0, 1, 1]])
    evaluator = OpenImagesEvaluator(5)
    prediction = predict(scene, {(0, 1): {1: 0.5, 2: 0.4, 3: 0.3}})
    double = {
        **prediction,
        "pairs": np.repeat(prediction["pairs"], 2, 0),
        "predicate_scores": np.repeat(prediction["predicate_scores"], 2, 0),
    }
    evaluator.update(double, scene)
    summary = evaluator.summary()
    assert summary["R"]["20"] == summary["wmAP_rel"] == summary["mAP_phr"] == summary["score_wtd"] == 1.0
    assert summary["per_predicate"]["2"] == {"AP_rel": None, "AP_phr": None}
    assert summary["predicates_absent"] == 3


def test_scores_at_the_floor_do_not_count():
    scene = truth(apart(2), [1, 2], [[0, 1, 1]])
    for score, met in ((1e-5, 0.0), (2e-5, 1.0)):
        evaluator = OpenImagesEvaluator(5)
        evaluator.update(
            predict(scene, {(0, 1): {1: np.float64(score)}}) | {"predicate_scores": np.array([[0, score, 0, 0, 0]])},
            scene,
        )
        assert evaluator.summary()["R"]["20"] == met


def test_nothing_annotated_is_null():
    evaluator = OpenImagesEvaluator(5)
    scene = truth([], [], [])
    evaluator.update(predict(scene, {}), scene)
    summary = evaluator.summary()
    assert summary["R"]["50"] is summary["wmAP_rel"] is summary["score_wtd"] is None
    json.dumps(summary)
