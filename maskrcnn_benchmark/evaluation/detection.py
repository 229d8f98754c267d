"""Average precision of boxes by COCO's rules, computed by pycocotools."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn_benchmark.evaluation.inputs import as_array, check_labels, order_of
from maskrcnn_benchmark.utils.errors import UserError

MAX_DETECTIONS = 100


class DetectionEvaluator:
    """
    AP (mean over IoU 0.50 … 0.95), AP50, AP75 and AR at 100 detections per image and class, over all sizes of boxes.

    Predictions are kept as arrays and handed to pycocotools a class at a time: classes do not touch each other, and its
    lists of dictionaries for a whole data set would fill the memory.

    Args:
        class_names: background first; classes without a ground-truth box do not count in the means.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.image_ids: list[int | str] = []
        self._found: list[np.ndarray] = []  # an image: (n, 6) class, score, x, y, w, h
        self._true: list[np.ndarray] = []  # an image: (n, 5) class, x, y, w, h

    def update(
        self, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any], *, image_id: int | str | None = None
    ) -> None:
        """
        Takes an image: prediction {"boxes" (n, 4) xyxy pixels, "labels" (n,), "scores" (n,)}, groundtruth {"boxes",
        "labels"}.

        Args:
            image_id: orders the images where scores of different ones are equal; their number by default.
        Raises:
            UserError: arrays whose lengths differ, or labels beyond the class names.
        """
        labels, scores, boxes = (as_array(prediction[key]) for key in ("labels", "scores", "boxes"))
        true_labels, true_boxes = (as_array(groundtruth[key]) for key in ("labels", "boxes"))
        if not len(labels) == len(scores) == len(boxes) or len(true_labels) != len(true_boxes):
            raise UserError(
                f"detections of an image must be of one length, got boxes {len(boxes)}, labels {len(labels)}, scores"
                f" {len(scores)}; ground truth boxes {len(true_boxes)}, labels {len(true_labels)}"
            )
        for whose, values in (("detected", labels), ("ground truth", true_labels)):
            check_labels(whose, values, len(self.class_names))
        self.image_ids.append(len(self.image_ids) if image_id is None else image_id)
        self._found.append(np.column_stack([labels, scores, _as_coco(boxes)]).astype(np.float32))
        self._true.append(np.column_stack([true_labels, _as_coco(true_boxes)]).astype(np.float32))

    def merge(self, other: "DetectionEvaluator") -> None:
        """Adds another evaluator's images. UserError if its classes are others."""
        if other.class_names != self.class_names:
            raise UserError("detection evaluators to be merged have different class names")
        self.image_ids.extend(other.image_ids)
        self._found.extend(other._found)
        self._true.extend(other._true)

    def summary(self) -> dict[str, Any]:
        """{"AP", "AP50", "AP75", "AR", "images", "per_class": {name: AP50}}; None where the ground truth has no box."""
        precisions, recalls, per_class = [], [], {}
        for label, precision, recall in self._by_class(order_of(self.image_ids)):
            precisions.append(precision)
            recalls.append(recall)
            per_class[self.class_names[label]] = float(precision[0].mean())
        figures: dict[str, float | None] = {"AP": None, "AP50": None, "AP75": None, "AR": None}
        if precisions:
            stacked = np.stack(precisions)  # (classes, IoU thresholds, recall points)
            figures = {
                "AP": float(stacked.mean()),
                "AP50": float(stacked[:, 0].mean()),
                "AP75": float(stacked[:, 5].mean()),
                "AR": float(np.mean(recalls)),
            }
        return {**figures, "images": len(self.image_ids), "per_class": per_class}

    def _by_class(self, order: Sequence[int]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each class with a ground-truth box: label, precision (10, 101) by IoU and recall point, recall (10,)."""
        found, true = _with_image([self._found[i] for i in order]), _with_image([self._true[i] for i in order])
        found, true = (rows[np.argsort(rows[:, 1], kind="stable")] for rows in (found, true))
        labels = np.arange(len(self.class_names) + 1)
        found_at, true_at = np.searchsorted(found[:, 1], labels), np.searchsorted(true[:, 1], labels)
        for label in range(1, len(self.class_names)):
            if true_at[label] < true_at[label + 1]:
                yield (
                    label,
                    *_evaluate_class(
                        found[found_at[label] : found_at[label + 1]], true[true_at[label] : true_at[label + 1]]
                    ),
                )


def _as_coco(boxes: np.ndarray) -> np.ndarray:
    """xyxy to x, y, width, height with the +1 pixel convention."""
    boxes = boxes.reshape(-1, 4).astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + 1], axis=1)


def _with_image(parts: Sequence[np.ndarray]) -> np.ndarray:
    """All rows in one array, the number of their image before them."""
    if not parts:
        return np.zeros((0, 7))
    image = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate([image[:, None], np.concatenate(parts)], axis=1)


def _evaluate_class(found: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision (10, 101), recall (10,) of one class; rows: image, class, (found: score,) box."""
    images = np.union1d(found[:, 0], true[:, 0]).astype(int).tolist()
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress there
        gt, result = COCO(), COCO()
        for coco, rows in ((gt, true), (result, found)):
            coco.dataset = {
                "images": [{"id": image} for image in images],
                "categories": [{"id": 1}],
                # Annotation ids from 1: pycocotools takes a match with id 0 for none.
                "annotations": [_annotation(number, row) for number, row in enumerate(rows, start=1)],
            }
            coco.createIndex()
        evaluation = COCOeval(gt, result, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, 0, 0, 0], evaluation.eval["recall"][:, 0, 0, 0]


def _annotation(number: int, row: np.ndarray) -> dict[str, Any]:
    box = row[-4:].tolist()
    annotation = {
        "id": number,
        "image_id": int(row[0]),
        "category_id": 1,
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
    }
    return annotation | ({"score": float(row[2])} if len(row) == 7 else {})
