"""The metrics of the Open Images challenge, as PySGG computes them; docs/metrics.md has the definitions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskrcnn_benchmark.evaluation import matching
from maskrcnn_benchmark.evaluation.figures import K_VALUES
from maskrcnn_benchmark.evaluation.inputs import GroundTruth, Prediction, order_of, predicate_names_of
from maskrcnn_benchmark.evaluation.ranking import top
from maskrcnn_benchmark.utils.errors import UserError

# Predicates that a pair proposes, relations that an image keeps, and the score that a relation must exceed.
PREDICATES_A_PAIR = 2
LIMIT = 100
LEAST_SCORE = 1e-5
# An average precision counts overlaps above this; recall those that reach the evaluator's iou_threshold.
AP_THRESHOLD = 0.5


class OpenImagesEvaluator:
    """
    R@K over the whole set, AP of relations and of phrases per predicate, their means, and score_wtd. Mergeable.

    Args:
        num_predicates: K, the background counted. predicate_names: K, background first. iou_threshold: of recall.
    """

    def __init__(
        self, num_predicates: int, predicate_names: Sequence[str] | None = None, iou_threshold: float = 0.5
    ) -> None:
        self.num_predicates = num_predicates
        self.predicate_names = predicate_names_of(num_predicates, predicate_names, "OpenImagesEvaluator")
        self.iou_threshold = float(iou_threshold)
        self.image_ids: list[int | str] = []
        self._true_counts = np.zeros(num_predicates, dtype=np.int64)
        self._found = np.zeros(len(K_VALUES), dtype=np.int64)
        # Detections of each image: (d,) predicate, (d,) score, (d, 2) whether a true positive of relations, of phrases.
        self._detections: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def update(
        self, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any], *, image_id: int | str | None = None
    ) -> None:
        """As SceneGraphEvaluator.update; image_id orders the images where scores of different ones are equal."""
        gt = GroundTruth.read(groundtruth, self.num_predicates)
        found = Prediction.read(prediction, self.num_predicates)
        pairs, predicates, scores = ranked_relations(found)
        same_labels = (gt.labels[gt.relations[:, 0], None] == found.labels[pairs[:, 0]]) & (
            gt.labels[gt.relations[:, 1], None] == found.labels[pairs[:, 1]]
        )
        agree = same_labels & (gt.relations[:, 2:] == predicates)
        relation_overlaps, phrase_overlaps = _overlaps(gt, found, pairs)
        ranks = matching.first_hits(agree & (relation_overlaps >= self.iou_threshold), LIMIT)
        self._found += [(ranks < k).sum() for k in K_VALUES]
        self._true_counts += np.bincount(gt.relations[:, 2], minlength=self.num_predicates)
        positives = np.stack([true_positives(agree, each) for each in (relation_overlaps, phrase_overlaps)], axis=1)
        self._detections.append((predicates, scores, positives))
        self.image_ids.append(len(self.image_ids) if image_id is None else image_id)

    def merge(self, other: "OpenImagesEvaluator") -> None:
        """Adds another evaluator's images. UserError if it was made with other settings."""
        if (other.predicate_names, other.iou_threshold) != (self.predicate_names, self.iou_threshold):
            raise UserError("Open Images evaluators to be merged differ in predicates or IoU threshold")
        self._true_counts += other._true_counts
        self._found += other._found
        self._detections.extend(other._detections)
        self.image_ids.extend(other.image_ids)

    def summary(self) -> dict[str, Any]:
        """R (by K), mAP and wmAP of rel and phr, score_wtd, per_predicate AP; None where nothing was to be found."""
        total = int(self._true_counts.sum())
        recall = {str(k): int(found) / total if total else None for k, found in zip(K_VALUES, self._found, strict=True)}
        precisions = self._average_precisions()
        summary: dict[str, Any] = {"images": len(self.image_ids), "relations": total, "R": recall}
        present = np.flatnonzero(self._true_counts).tolist()
        for kind in ("rel", "phr"):
            values = precisions[kind]
            summary[f"mAP_{kind}"] = math.fsum(values[p] for p in present) / len(present) if present else None
            weighted = math.fsum(values[p] * int(self._true_counts[p]) for p in present)
            summary[f"wmAP_{kind}"] = weighted / total if total else None
        at_50 = recall["50"]
        summary["score_wtd"] = (
            None if at_50 is None else 0.2 * at_50 + 0.4 * summary["wmAP_rel"] + 0.4 * summary["wmAP_phr"]
        )
        summary["per_predicate"] = {
            name: {f"AP_{kind}": precisions[kind][p] if self._true_counts[p] else None for kind in precisions}
            for p, name in enumerate(self.predicate_names)
            if p
        }
        summary["predicates_absent"] = self.num_predicates - 1 - len(present)
        return summary

    def _average_precisions(self) -> dict[str, list[float]]:
        """AP of every predicate, of relations and of phrases."""
        parts = [self._detections[i] for i in order_of(self.image_ids)]
        nothing = (np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2), bool))
        predicates, scores, positives = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
        ranked = np.argsort(-scores, kind="stable")
        predicates, positives = predicates[ranked], positives[ranked]
        return {
            kind: [
                average_precision(positives[predicates == p, column], count) if count else 0.0
                for p, count in enumerate(self._true_counts.tolist())
            ]
            for column, kind in enumerate(("rel", "phr"))
        }


def ranked_relations(found: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    pairs (d, 2), predicates (d,), scores (d,) float64, descending, of the relations that count: of every pair the 2
    best predicates, of these the 100 best by predicate score times both object scores, without those at 1e-5 or below.
    """
    foreground = found.predicate_scores[:, 1:].astype(np.float64)
    order = np.argsort(-foreground, axis=1, kind="stable")[:, :PREDICATES_A_PAIR]
    known = np.ones(len(found.boxes)) if found.scores is None else found.scores.astype(np.float64)
    entity_scores = known[found.pairs].prod(axis=1)
    scores = np.take_along_axis(foreground, order, axis=1) * entity_scores[:, None]
    kept = top(scores.reshape(-1), LIMIT)
    kept = kept[scores.reshape(-1)[kept] > LEAST_SCORE]
    return found.pairs[kept // order.shape[1]], order.reshape(-1)[kept] + 1, scores.reshape(-1)[kept]


def _overlaps(gt: GroundTruth, found: Prediction, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(r, d) each: the smaller of subject and object IoU, and the IoU of the boxes around both."""
    iou = matching.overlaps(gt.boxes[:, None], found.boxes[None])
    subjects, objects = gt.relations[:, 0], gt.relations[:, 1]
    relation = np.minimum(iou[subjects][:, pairs[:, 0]], iou[objects][:, pairs[:, 1]])
    around_true = matching.union_boxes(gt.boxes, gt.relations[:, :2])
    phrase = matching.overlaps(around_true[:, None], matching.union_boxes(found.boxes, pairs)[None])
    return relation, phrase


def true_positives(agree: np.ndarray, overlaps: np.ndarray) -> np.ndarray:
    """
    (d,) bool of detections by descending score, from (r, d) each. A detection looks at the ground-truth relation, of
    those that agree, that it overlaps most; it is a true positive if the overlap is above 0.5 and none before it took
    that one.
    """
    if not agree.size:
        return np.zeros(agree.shape[1], dtype=bool)
    overlaps = np.where(agree, overlaps, -1)
    nearest = overlaps.argmax(axis=0)
    near = overlaps[nearest, np.arange(len(nearest))] > AP_THRESHOLD
    positives = np.zeros(len(nearest), dtype=bool)
    _, first = np.unique(nearest[near], return_index=True)
    positives[np.flatnonzero(near)[first]] = True
    return positives


def average_precision(positives: np.ndarray, total: int) -> float:
    """Area under the precision envelope, all points, of (d,) true or not by descending score; total is at least 1."""
    hits = np.cumsum(positives)
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return math.fsum(envelope[positives].tolist()) / total  # recall grows by 1 / total at each true positive
