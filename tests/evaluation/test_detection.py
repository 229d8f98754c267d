"""Detection figures against pycocotools run on everything at once, and where the answer is known."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.utils.errors import UserError

NAMES = ["__background__", "cat", "dog", "tree", "never"]


def random_images(seed, count=25):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        true, found = rng.integers(0, 6), rng.integers(0, 9)
        corner = rng.integers(0, 60, (true, 2))
        boxes = np.concatenate([corner, corner + rng.integers(5, 60, (true, 2))], 1).astype(np.float32)
        labels = rng.integers(1, 4, true)
        chosen = rng.integers(0, true, found) if true else np.zeros(0, int)
        yield (
            {
                "boxes": boxes[chosen] + rng.integers(-4, 5, (len(chosen), 4)),
                "labels": np.where(rng.random(len(chosen)) < 0.2, 2, labels[chosen]),
                "scores": rng.permutation(len(chosen)).astype(np.float32) / 16 + rng.random() / 64,
            },
            {"boxes": boxes, "labels": labels},
        )


def coco_figures(images):
    """AP, AP50, AP75 and AR of pycocotools' own summary."""
    coco = [
        {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": c} for c in (1, 2, 3, 4)]}
        for _ in range(2)
    ]
    for dataset, side in zip(coco, (1, 0), strict=True):
        dataset["annotations"] = []
        for i, image in enumerate(images):
            for j, (x1, y1, x2, y2) in enumerate(image[side]["boxes"].tolist()):
                entry = {
                    "image_id": i,
                    "category_id": int(image[side]["labels"][j]),
                    "bbox": [x1, y1, x2 - x1 + 1, y2 - y1 + 1],
                }
                entry |= {"id": len(dataset["annotations"]) + 1, "iscrowd": 0, "area": (x2 - x1 + 1) * (y2 - y1 + 1)}
                dataset["annotations"].append(entry | ({} if side else {"score": float(image[0]["scores"][j])}))
    with contextlib.redirect_stdout(io.StringIO()):
        tools = [COCO(), COCO()]
        for tool, dataset in zip(tools, coco, strict=True):
            tool.dataset = dataset
            tool.createIndex()
        evaluation = COCOeval(*tools, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(("AP", "AP50", "AP75", "AR"), evaluation.stats[[0, 1, 2, 8]], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_a_class_at_a_time_is_the_same_as_all_at_once(seed, capsys):
    images = list(random_images(seed))
    parts = [DetectionEvaluator(NAMES) for _ in range(3)]
    for i, image in enumerate(images):
        parts[i % 3].update(*image, image_id=i)
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    summary = parts[0].summary()
    for name, value in coco_figures(images).items():
        assert summary[name] == pytest.approx(value, abs=1e-9)
    assert summary["images"] == 25
    assert "never" not in summary["per_class"]
    assert capsys.readouterr().out == ""


def test_perfect_boxes_score_one_and_none_score_zero():
    truth = {"boxes": [[0, 0, 9, 9], [50, 50, 79, 99]], "labels": [1, 3]}
    evaluator = DetectionEvaluator(NAMES)
    evaluator.update({**truth, "scores": [0.9, 0.4]}, truth)
    summary = evaluator.summary()
    assert [summary[name] for name in ("AP", "AP50", "AP75", "AR")] == pytest.approx([1] * 4, abs=1e-12)
    assert summary["per_class"] == pytest.approx({"cat": 1, "tree": 1}, abs=1e-12)
    evaluator.update({"boxes": [], "labels": [], "scores": []}, {"boxes": [[0, 0, 9, 9]], "labels": [2]})
    assert evaluator.summary()["per_class"]["dog"] == 0


def test_nothing_annotated_is_null():
    evaluator = DetectionEvaluator(NAMES)
    evaluator.update({"boxes": [], "labels": [], "scores": []}, {"boxes": [], "labels": []})
    assert evaluator.summary()["AP50"] is None
    assert DetectionEvaluator(NAMES).summary()["AP"] is None


def test_bad_input_is_named():
    evaluator = DetectionEvaluator(NAMES)
    truth = {"boxes": [[0, 0, 9, 9]], "labels": [1]}
    with pytest.raises(UserError, match="scores 2"):
        evaluator.update({**truth, "scores": [1, 1]}, truth)
    with pytest.raises(UserError, match="from 7 to 7, there are 5 classes"):
        evaluator.update({"boxes": [[0, 0, 9, 9]], "labels": [7], "scores": [1]}, truth)
    with pytest.raises(UserError, match="class names"):
        evaluator.merge(DetectionEvaluator(["__background__"]))
