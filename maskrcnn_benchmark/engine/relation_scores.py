"""
All figures of a relation model that are taken from the same predictions: recalls, the frequency baseline beside them,
AP50.
"""

from typing import Any

import numpy as np

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.evaluation import SceneGraphEvaluator
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.frequency import FrequencyBaseline
from maskrcnn_benchmark.evaluation.open_images import OpenImagesEvaluator
from maskrcnn_benchmark.structures.bounding_box import BoxList

# Figures of FREQ that metrics.json holds; the model's lead over it is given at COMPARED_AT, with an interval.
FREQUENCY_FIGURES = ("R", "mR", "F")
COMPARED_AT = 50


class RelationScores:
    """Takes predictions image by image; what it keeps of each is small. Those of several processes can be merged."""

    def __init__(
        self,
        task: Task,
        meta: DatasetMeta,
        *,
        zeroshot_triplets: np.ndarray,
        iou_threshold: float = 0.5,
        rel_nms: bool = False,
        open_images: bool = False,
    ):
        """
        Args:
            meta: vocabulary and statistics of the training data.
            zeroshot_triplets: (t, 3) subject class, object class, predicate that training does not have.
            rel_nms: of the model's predictions; FREQ's are ranked without.
            open_images: the figures of the Open Images challenge too.
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
        self.others: dict[str, Any] = {}
        if not task.uses_gt_boxes:
            self.others["detection"] = DetectionEvaluator(meta.objects)
        if open_images:
            self.others["open_images"] = OpenImagesEvaluator(meta.num_predicates, meta.predicates, iou_threshold)
        self._baseline = FrequencyBaseline(meta)

    def add(self, index: int, prediction: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> None:
        """
        Takes one image.

        Args:
            index: of the image in its data set.
            prediction, truth: as prediction_arrays and truth_arrays make them.
        """
        self.model.update(prediction, truth, image_id=index)
        # The many equal scores of FREQ must not be in the order of what the model thinks.
        pairs = prediction["pairs"][np.lexsort(prediction["pairs"].T[::-1])]
        ends = prediction["labels"][pairs]
        scores = self._baseline.predicate_scores(ends[:, 0], ends[:, 1])
        self.frequency.update(prediction | {"pairs": pairs, "predicate_scores": scores}, truth, image_id=index)
        for evaluator in self.others.values():
            evaluator.update(prediction, truth, image_id=index)

    def merge(self, other: "RelationScores") -> None:
        """Adds another process's images."""
        self.model.merge(other.model)
        self.frequency.merge(other.frequency)
        for name, evaluator in self.others.items():
            evaluator.merge(other.others[name])

    def summary(self) -> dict[str, Any]:
        """metrics.json's dict."""
        metrics, frequency = self.model.summary(), self.frequency.summary()
        metrics["freq"] = {name: frequency[name] for name in FREQUENCY_FIGURES}
        if metrics["R"][str(COMPARED_AT)] is not None:
            metrics["freq"]["lead"] = {f"{name}@{COMPARED_AT}": self._lead(name) for name in FREQUENCY_FIGURES}
        if "detection" in self.others:
            metrics["AP50"] = self.others["detection"].summary()["AP50"]
        if "open_images" in self.others:
            metrics["open_images"] = self.others["open_images"].summary()
        return metrics

    def _lead(self, figure: str) -> dict[str, Any]:
        """How far the model is above FREQ, with the 95 % interval of a paired bootstrap over images."""
        return paired_bootstrap(self.model, self.frequency, metric=figure, k=COMPARED_AT)


def prediction_arrays(result: BoxList) -> dict[str, np.ndarray]:
    """
    A relation result as the evaluators take it: boxes (n, 4), labels, scores (n,), pairs (m, 2), predicate_scores (m,
    K).
    """
    return {
        "boxes": result.bbox.numpy(),
        "labels": result.get_field("pred_labels").numpy(),
        "scores": result.get_field("pred_scores").float().numpy(),
        "pairs": result.get_field("rel_pair_idxs").numpy(),
        "predicate_scores": result.get_field("pred_rel_scores").float().numpy(),
    }


def truth_arrays(truth: BoxList) -> dict[str, np.ndarray]:
    """An annotation as the evaluators take it: boxes (n, 4), labels (n,), relations (r, 3)."""
    return {
        "boxes": truth.bbox.numpy(),
        "labels": truth.get_field("labels").numpy(),
        "relations": truth.get_field("relation_tuple").numpy(),
    }
