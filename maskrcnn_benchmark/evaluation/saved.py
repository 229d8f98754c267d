"""Figures of saved predictions: the work behind tools/evaluate.py."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_benchmark.config.paths_catalog import dataset_entry
from maskrcnn_benchmark.data.build import read_source, training_statistics
from maskrcnn_benchmark.data.datasets import SceneGraphDataset
from maskrcnn_benchmark.data.image_files import read_image
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.zeroshot import unseen_triplets
from maskrcnn_benchmark.evaluation.detection import DetectionEvaluator
from maskrcnn_benchmark.evaluation.frequency import FrequencyBaseline
from maskrcnn_benchmark.evaluation.open_images import OpenImagesEvaluator
from maskrcnn_benchmark.evaluation.predictions import PredictionFile
from maskrcnn_benchmark.evaluation.scene_graph import MODES, SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.progress import progress


@dataclass(frozen=True)
class Setting:
    """
    How saved predictions are to be evaluated; what is None comes from the file.

    Args:
        mode: "predcls", "sgcls" or "sgdet".
        dataset: catalog name of the annotated split.
        train_dataset: catalog name of a training split: zero-shot triplets, head, body and tail, and FREQ come from it.
        zeroshot_triplets: (t, 3).
        open_images: the figures of the Open Images challenge too.
    """

    mode: str | None = None
    dataset: str | None = None
    train_dataset: str | None = None
    zeroshot_triplets: np.ndarray | None = None
    iou_threshold: float = 0.5
    rel_nms: bool = False
    open_images: bool = False


class Annotations:
    """Ground truth of a catalog data set by image id; image files are opened by `image` alone."""

    def __init__(self, name: str) -> None:
        entry = dataset_entry(name)
        source = read_source(entry)
        self.name = name
        self._dataset = SceneGraphDataset(source, entry.split, image_dir=entry.files["images"], num_val=entry.num_val, with_relations=False)
        self.meta = self._dataset.meta
        self._index = {self._dataset.get_img_info(i)["image_id"]: i for i in range(len(self._dataset))}

    def triplets(self) -> np.ndarray:
        """(t, 3) distinct triplets of the split."""
        return self._dataset.triplets()

    def __getitem__(self, image_id: int | str) -> dict[str, Any]:
        target = self._dataset.get_groundtruth(self._row(image_id))
        return {"boxes": target.bbox, "labels": target.get_field("labels"), "relations": target.get_field("relation_tuple")}

    def image(self, image_id: int | str) -> np.ndarray:
        """The image's pixels, (h, w, 3) uint8 RGB. UserError if its file is missing or damaged."""
        return read_image(self._dataset.image_path(self._row(image_id))).permute(1, 2, 0).contiguous().numpy()

    def _row(self, image_id: int | str) -> int:
        try:
            return self._index[int(image_id)]
        except (KeyError, ValueError) as error:
            raise UserError(f"data set {self.name}: no image '{image_id}', which the predictions name") from error


def evaluate_saved(file: PredictionFile, setting: Setting) -> tuple[SceneGraphEvaluator, dict[str, Any]]:
    """
    Evaluates a file of predictions.

    Returns:
        The evaluator, for the bootstrap, and the dict of metrics.json.
    Raises:
        UserError: no ground truth in the file and no data set named, an unknown mode, an image that the data set lacks.
    """
    mode = setting.mode or file.mode
    if mode not in MODES:
        raise UserError(f"predictions {file.path}: the mode is {mode or 'not in the file'}; --mode must say one of {', '.join(MODES)}")
    annotations = Annotations(setting.dataset) if setting.dataset else None
    if annotations is None and not file.has_groundtruth:
        raise UserError(f"predictions {file.path}: no ground truth in the file; --dataset must name the data set that they are of")
    training = training_statistics(setting.train_dataset) if setting.train_dataset else None
    names = file.predicates or (() if annotations is None else annotations.meta.predicates)
    objects = file.objects or (() if annotations is None else annotations.meta.objects)
    settings = {
        "mode": mode,
        "num_predicates": len(names) or file.num_predicates,
        "predicate_names": names or None,
        "zeroshot_triplets": _zero_shot(file, setting, annotations, training),
        "iou_threshold": setting.iou_threshold,
        "train_counts": file.train_counts if training is None else training.meta.predicate_counts(),
    }
    evaluator = SceneGraphEvaluator(**settings, rel_nms=setting.rel_nms)
    baseline = _Baseline(training.meta, SceneGraphEvaluator(**settings)) if training is not None else None
    others: dict[str, Any] = {}
    if mode == "sgdet" and objects:
        others["detection"] = DetectionEvaluator(objects)
    if setting.open_images:
        others["open_images"] = OpenImagesEvaluator(settings["num_predicates"], names or None, setting.iou_threshold)
    for image in progress(file, desc=file.path.name, unit="image"):
        truth = image.groundtruth if annotations is None else annotations[image.image_id]
        for each in (evaluator, *([baseline] if baseline else []), *others.values()):
            each.update(image.prediction, truth, image_id=image.image_id)
    summary = evaluator.summary()
    if baseline is not None:
        summary["freq"] = baseline.summary()
    if "detection" in others:
        summary["AP50"] = others["detection"].summary()["AP50"]
    if "open_images" in others:
        summary["open_images"] = others["open_images"].summary()
    return evaluator, summary


class _Baseline:
    """FREQ on the pairs of another model's predictions."""

    def __init__(self, meta: DatasetMeta, evaluator: SceneGraphEvaluator) -> None:
        self._frequency, self._evaluator = FrequencyBaseline(meta), evaluator

    def update(self, prediction: dict[str, Any], groundtruth: dict[str, Any], *, image_id: int | str) -> None:
        # Its many equal scores must not be ordered by what the model thinks.
        pairs = prediction["pairs"][np.lexsort(prediction["pairs"].T[::-1])]
        labels = np.asarray(groundtruth["labels"] if self._evaluator.mode == "predcls" else prediction["labels"])[pairs]
        scores = self._frequency.predicate_scores(labels[:, 0], labels[:, 1])
        self._evaluator.update(prediction | {"pairs": pairs, "predicate_scores": scores}, groundtruth, image_id=image_id)

    def summary(self) -> dict[str, Any]:
        whole = self._evaluator.summary()
        return {name: whole[name] for name in ("R", "mR", "F")}


def _zero_shot(file: PredictionFile, setting: Setting, annotations: Annotations | None, training: Any) -> np.ndarray | None:
    """The triplets that the setting names; else those that the training data set lacks; else the file's."""
    if setting.zeroshot_triplets is not None:
        return setting.zeroshot_triplets
    if training is not None:
        known = annotations.triplets() if annotations is not None else _triplets(file)
        return unseen_triplets(known, training.triplets)
    return file.zeroshot_triplets


def _triplets(file: PredictionFile) -> np.ndarray:
    """(t, 3) subject label, object label, predicate of every relation annotated in a file."""
    found = [np.zeros((0, 3), dtype=np.int64)]
    for image in file:
        relations = image.groundtruth["relations"]
        labels = image.groundtruth["labels"][relations[:, :2]]
        found.append(np.column_stack([labels, relations[:, 2]]))
    return np.concatenate(found)
