"""Average precision of boxes by COCO's rules, computed by pycocotools."""

import contextlib
import io
from collections.abc import Mapping, Sequence
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

    pycocotools gets a class at a time: its lists of dictionaries for a whole data set would fill the memory.

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
        "labels"}; images are ordered by `image_id`, by default their number, where scores of different ones are equal.

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
        figures: dict[str, Any] = dict.fromkeys(("AP", "AP50", "AP75", "AR")) | {"images": len(self.image_ids)}
        order = order_of(self.image_ids)
        found, true = (
            _by_class([parts[i] for i in order], len(self.class_names)) for parts in (self._found, self._true)
        )
        present = [label for label, rows in enumerate(true) if label and len(rows)]
        if not present:
            return figures | {"per_class": {}}
        parts = [_evaluate_class(found[label], true[label]) for label in present]
        precisions = np.stack([precision for precision, _ in parts])  # (classes, IoU thresholds, recall points)
        figures |= {"AP": float(precisions.mean()), "AP50": float(precisions[:, 0].mean())}
        figures |= {"AP75": float(precisions[:, 5].mean()), "AR": float(np.mean([recall for _, recall in parts]))}
        by_class = zip(present, parts, strict=True)
        return figures | {"per_class": {self.class_names[c]: float(part[0][0].mean()) for c, part in by_class}}


def _as_coco(boxes: np.ndarray) -> np.ndarray:
    """xyxy to x, y, width, height with the +1 pixel convention."""
    boxes = boxes.reshape(-1, 4).astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2] + 1], axis=1)


def _by_class(parts: Sequence[np.ndarray], classes: int) -> list[np.ndarray]:
    """The rows of all images of each class, the number of their image before them."""
    if not parts:
        return [np.zeros((0, 7))] * classes
    image = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    rows = np.concatenate([image[:, None], np.concatenate(parts)], axis=1)
    rows = rows[np.argsort(rows[:, 1], kind="stable")]
    return np.split(rows, np.searchsorted(rows[:, 1], np.arange(1, classes)))


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
