"""All figures of a relation model that are taken from the same predictions: recalls, the frequency baseline beside them, AP50."""

from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.frequency import FrequencyBaseline
from maskrcnn_benchmark.structures.bounding_box import BoxList

# Figures of FREQ that metrics.json holds; the model's lead over it is given at COMPARED_AT, with an interval.
FREQUENCY_FIGURES = ("R", "mR", "F")
COMPARED_AT = 50


class RelationScores:
    """Takes predictions image by image; what it keeps of each is small. Two of them can be merged."""

    def __init__(
        self,
        task: Task,
        meta: DatasetMeta,
        *,
        zeroshot_triplets: np.ndarray,
        iou_threshold: float = 0.5,
        rel_nms: bool = False,
        predictions_to: Path | None = None,
    ):
        """
        Args:
            meta: vocabulary and statistics of the training data.
            zeroshot_triplets: (t, 3) subject class, object class, predicate that training does not have.
            rel_nms: of the model's predictions; FREQ's are ranked without.
            predictions_to: folder that keeps each image's prediction.
        """
        settings = {
            "mode": str(task),
            "num_predicates": meta.num_predicates,
            "predicate_names": meta.predicates,
            "zeroshot_triplets": zeroshot_triplets,
            "iou_threshold": iou_threshold,
            "train_counts": meta.predicate_counts(),
        }
        self.model = SceneGraphEvaluator(**settings, rel_nms=rel_nms)
        self.frequency = SceneGraphEvaluator(**settings)
        self.detections = None if task.uses_gt_boxes else DetectionEvaluator(meta.objects)
        self._baseline = FrequencyBaseline(meta)
        self._predictions_to = predictions_to

    def add(self, index: int, result: BoxList, truth: BoxList) -> None:
        """
        Takes one image.

        Args:
            index: of the image in its data set.
            result: of the model, with the fields of a relation result, in the frame of `truth`.
            truth: annotation with labels and relation_tuple.
        """
        annotated = {"boxes": truth.bbox, "labels": truth.get_field("labels"), "relations": truth.get_field("relation_tuple")}
        prediction = relation_arrays(result)
        self.model.update(prediction, annotated, image_id=index)
        ends = prediction["labels"][prediction["pairs"]]
        by_frequency = prediction | {"predicate_scores": self._baseline.predicate_scores(ends[:, 0], ends[:, 1])}
        self.frequency.update(by_frequency, annotated, image_id=index)
        if self.detections is not None:
            self.detections.update(prediction, annotated)

    def merge(self, other: "RelationScores") -> None:
        """Adds another process's images."""
        self.model.merge(other.model)
        self.frequency.merge(other.frequency)
        if self.detections is not None:
            self.detections.merge(other.detections)

    def summary(self) -> dict[str, Any]:
        """metrics.json's dict."""
        metrics = self.model.summary()
        frequency = self.frequency.summary()
        metrics["freq"] = {name: frequency[name] for name in FREQUENCY_FIGURES}
        if metrics["R"][str(COMPARED_AT)] is not None:
            metrics["freq"]["lead"] = {f"{name}@{COMPARED_AT}": self._lead(name) for name in FREQUENCY_FIGURES}
        if self.detections is not None:
            metrics["AP50"] = self.detections.summary()["AP50"]
        return metrics

    def _lead(self, figure: str) -> dict[str, Any]:
        """How far the model is above FREQ, with the 95 % interval of a paired bootstrap over images."""
        return paired_bootstrap(self.model, self.frequency, metric=figure, k=COMPARED_AT)


def relation_arrays(result: BoxList) -> dict[str, np.ndarray]:
    """A relation result as the evaluators take it: boxes (n, 4), labels, scores (n,), pairs (m, 2), predicate_scores (m, K)."""
    return {
        "boxes": result.bbox.numpy(),
        "labels": result.get_field("pred_labels").numpy(),
        "scores": result.get_field("pred_scores").float().numpy(),
        "pairs": result.get_field("rel_pair_idxs").numpy(),
        "predicate_scores": result.get_field("pred_rel_scores").float().numpy(),
    }
