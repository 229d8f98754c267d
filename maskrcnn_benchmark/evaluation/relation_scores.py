"""All figures of the same predictions, a model's or a file's: recalls, FREQ beside them, AP50, Open Images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.evaluation import figures
from maskrcnn_benchmark.evaluation.bootstrap import paired_bootstrap
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.frequency import FrequencyBaseline
from maskrcnn_benchmark.evaluation.inputs import MAX_CLASSES, as_array, check_labels
from maskrcnn_benchmark.evaluation.open_images import OpenImagesEvaluator
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.structures.bounding_box import BoxList

# The model's lead over FREQ is given at this K, with the 95 % interval of a paired bootstrap over images.
COMPARED_AT = 50


class RelationScores:
    """Takes predictions image by image, of which it keeps little; `model` is their evaluator, for a bootstrap."""

    def __init__(
        self,
        mode: str,
        num_predicates: int,
        *,
        objects: Sequence[str] = (),
        rel_nms: bool = False,
        open_images: bool = False,
        training: DatasetMeta | None = None,
        **settings: Any,
    ):
        """
        Args:
            objects: names, background first; where they are known, SGDet has AP50.
            rel_nms: of the predictions; FREQ's are ranked without.
            open_images: the figures of the Open Images challenge too.
            training: the statistics that FREQ is made of; without them there is no FREQ.
            settings: SceneGraphEvaluator's others.
        """
        self.model = SceneGraphEvaluator(mode, num_predicates, rel_nms=rel_nms, **settings)
        self.frequency = SceneGraphEvaluator(mode, num_predicates, **settings)
        self.others: dict[str, Any] = {}
        if self.model.mode == "sgdet" and objects:
            self.others["detection"] = DetectionEvaluator(objects)
        if open_images:
            self.others["open_images"] = OpenImagesEvaluator(
                num_predicates, self.model.predicate_names, self.model.iou_threshold
            )
        self._baseline = FrequencyBaseline(training) if training is not None else None
        self._classes = len(objects) or (MAX_CLASSES if training is None else len(training.objects))
        check_labels("zeroshot_triplets'", self.model.zeroshot_triplets[:, :2], self._classes)

    @classmethod
    def of_training(cls, task: Task, meta: DatasetMeta, **settings: Any) -> "RelationScores":
        """For a model: `meta` is the vocabulary and the statistics of its training data, FREQ included."""
        settings |= {"predicate_names": meta.predicates, "train_counts": meta.predicate_counts()}
        return cls(str(task), meta.num_predicates, objects=meta.objects, training=meta, **settings)

    def update(
        self, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any], *, image_id: int | str | None = None
    ) -> None:
        """Takes one image, as SceneGraphEvaluator.update does. Every label must be one of the objects."""
        check_labels("ground truth", as_array(groundtruth["labels"]), self._classes)
        if self.model.mode != "predcls":
            check_labels("prediction", as_array(prediction["labels"]), self._classes)
        for evaluator in (self.model, *self.others.values()):
            evaluator.update(prediction, groundtruth, image_id=image_id)
        if self._baseline is not None:
            # The many equal scores of FREQ must not be in the order of what the model thinks.
            pairs = as_array(prediction["pairs"])
            pairs = pairs[np.lexsort(pairs.T[::-1])]
            labels = as_array((groundtruth if self.model.mode == "predcls" else prediction)["labels"])[pairs]
            own = {"pairs": pairs, "predicate_scores": self._baseline.predicate_scores(labels[:, 0], labels[:, 1])}
            self.frequency.update({**prediction, **own}, groundtruth, image_id=image_id)

    def merge(self, other: "RelationScores") -> None:
        """Adds another process's images."""
        self.model.merge(other.model)
        self.frequency.merge(other.frequency)
        for name, evaluator in self.others.items():
            evaluator.merge(other.others[name])

    def summary(self) -> dict[str, Any]:
        """metrics.json's dict."""
        metrics = self.model.summary()
        if self._baseline is not None:
            whole, names = self.frequency.summary(), [figure.name for figure in figures.freq_figures()]
            metrics["freq"] = {name: whole[name] for name in names}
            if len(self.model.records.rows):
                metrics["freq"]["lead"] = {
                    f"{name}@{COMPARED_AT}": paired_bootstrap(self.model, self.frequency, name, COMPARED_AT)
                    for name in names
                }
        if "detection" in self.others:
            metrics["AP50"] = self.others["detection"].summary()["AP50"]
        if "open_images" in self.others:
            metrics["open_images"] = self.others["open_images"].summary()
        return metrics


def prediction_arrays(result: BoxList) -> dict[str, np.ndarray]:
    """
    A relation result as the evaluators take it: boxes (n, 4), labels, scores (n,), pairs (m, 2), predicate_scores (m,
    K); and, for prediction files, `terms` (m, T) where the result tells them.
    """
    told = result.get_field("pred_rel_terms") if result.has_field("pred_rel_terms") else {}
    terms = {"terms": np.column_stack([values.float().numpy() for values in told.values()])} if told else {}
    return terms | {
        "boxes": result.bbox.numpy(),
        "labels": result.get_field("pred_labels").numpy(),
        "scores": result.get_field("pred_scores").float().numpy(),
        "pairs": result.get_field("rel_pair_idxs").numpy(),
        "predicate_scores": result.get_field("pred_rel_scores").float().numpy(),
    }


def groundtruth_arrays(groundtruth: BoxList) -> dict[str, np.ndarray]:
    """The ground truth as the evaluators take it: boxes (n, 4), labels (n,), relations (r, 3)."""
    return {
        "boxes": groundtruth.bbox.numpy(),
        "labels": groundtruth.get_field("labels").numpy(),
        "relations": groundtruth.get_field("relation_tuple").numpy(),
    }
