"""Figures of saved predictions: the work behind tools/evaluate.py."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn_benchmark.data.build import read_source, training_statistics
from maskrcnn_benchmark.data.datasets import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.zeroshot import unseen_triplets
from maskrcnn_benchmark.evaluation.figures import MODES
from maskrcnn_benchmark.evaluation.predictions import PredictionFile, SavedImage
from maskrcnn_benchmark.evaluation.relation_scores import RelationScores, groundtruth_arrays
from maskrcnn_benchmark.evaluation.scene_graph import SceneGraphEvaluator
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.log import get_logger
from maskrcnn_benchmark.utils.progress import progress
from maskrcnn_benchmark.utils.untrusted import shown

logger = get_logger(__name__)


@dataclass(frozen=True)
class Setting:
    """
    How saved predictions are to be evaluated; what is None comes from the file.

    Args:
        mode: "predcls", "sgcls" or "sgdet".
        dataset: catalog name of the split with the ground truth.
        train_dataset: catalog name of a training split: zero-shot triplets, head, body and tail, and FREQ come from it.
        zeroshot_triplets: (t, 3).
        open_images: the figures of the Open Images challenge too.
        partial: the file may hold a part of the data set's images; the figures are then of that part, and "coverage"
            says so.
    """

    mode: str | None = None
    dataset: str | None = None
    train_dataset: str | None = None
    zeroshot_triplets: np.ndarray | None = None
    iou_threshold: float = 0.5
    rel_nms: bool = False
    open_images: bool = False
    partial: bool = False


class DatasetGroundTruth:
    """Ground truth of a catalog data set by image id; image files are opened by `image` alone."""

    def __init__(self, name: str) -> None:
        entry = dataset_entry(name)
        source = read_source(entry)
        self.name = name
        self._dataset = SceneGraphDataset(
            source, entry.split, image_dir=entry.files["images"], num_val=entry.num_val, with_relations=False
        )
        self.meta = self._dataset.meta
        self._index = {self._dataset.get_img_info(i)["image_id"]: i for i in range(len(self._dataset))}

    def related_images(self) -> list[int]:
        """Ids of the images with a relation, which figures are means over."""
        related = self._dataset.relation_counts() > 0
        return [image for image, row in self._index.items() if related[row]]

    def triplets(self) -> np.ndarray:
        """(t, 3) distinct triplets of the split."""
        return self._dataset.triplets()

    def __getitem__(self, image_id: int | str) -> dict[str, Any]:
        return groundtruth_arrays(self._dataset.get_groundtruth(self._row(image_id)))

    def image(self, image_id: int | str) -> np.ndarray:
        """The image's pixels, (h, w, 3) uint8 RGB. UserError if its file is missing, damaged or of another size."""
        return self._dataset.image(self._row(image_id)).permute(1, 2, 0).contiguous().numpy()

    def image_name(self, image_id: int | str) -> str:
        """The name of the image's file."""
        return self._dataset.image_path(self._row(image_id)).name

    def _row(self, image_id: int | str) -> int:
        try:
            return self._index[image_number(image_id)]
        except (KeyError, ValueError) as error:
            raise UserError(f"data set {self.name}: no image '{image_id}', which the predictions name") from error


def evaluate_saved(file: PredictionFile, setting: Setting) -> tuple[SceneGraphEvaluator, dict[str, Any]]:
    """
    Evaluates a file of predictions.

    Returns:
        The evaluator, for the bootstrap, and the dict of metrics.json.
    Raises:
        UserError: no ground truth in the file and no data set named, an unknown mode, other names of classes or
            predicates than the data set's, an image that the data set lacks, or without `partial` one of its images
            that the file lacks.
    """
    mode = setting.mode or file.mode
    if mode not in MODES:
        raise UserError(
            f"predictions {file.path}: the mode is {mode or 'not in the file'}; --mode must say one of"
            f" {', '.join(MODES)}"
        )
    groundtruths = DatasetGroundTruth(setting.dataset) if setting.dataset else None
    if groundtruths is None and not file.has_groundtruth:
        raise UserError(
            f"predictions {file.path}: no ground truth in the file; --dataset must name the data set that they are of"
        )
    training = training_statistics(setting.train_dataset) if setting.train_dataset else None
    for name, meta in (
        (setting.dataset, groundtruths and groundtruths.meta),
        (setting.train_dataset, training and training.meta),
    ):
        if meta and name:
            _check_names(file, meta, name)
    coverage = _coverage(file, groundtruths, partial=setting.partial) if groundtruths else None
    names = file.predicates or (() if groundtruths is None else groundtruths.meta.predicates)
    objects = file.objects or (() if groundtruths is None else groundtruths.meta.objects)
    scores = RelationScores(
        mode,
        len(names) or file.num_predicates,
        predicates=names or None,
        objects=objects,
        train_counts=file.train_counts if training is None else training.meta.predicate_counts(),
        zeroshot_triplets=_zero_shot(file, setting, groundtruths, training),
        iou_threshold=setting.iou_threshold,
        rel_nms=setting.rel_nms,
        open_images=setting.open_images,
        training=None if training is None else training.meta,
    )
    parts = _PartsOfImages(mode)
    for image in progress(file, total=len(file.image_ids), desc=file.path.name, unit="image"):
        groundtruth = image.groundtruth if groundtruths is None else groundtruths[image.image_id]
        try:
            scores.update(image.prediction, groundtruth, image_id=image.image_id)
        except UserError as error:
            raise UserError(f"predictions {file.path}: image {image.image_id}: {error}") from error
        parts.add(image)
    parts.warn(file)
    return scores.model, scores.summary() | ({"coverage": coverage} if coverage else {})


def _check_names(file: PredictionFile, meta: DatasetMeta, name: str) -> None:
    for kind in ("predicates", "objects"):
        given, wanted = getattr(file, kind), getattr(meta, kind)
        if not given or given == wanted:
            continue
        row = next(
            (i for i, (a, b) in enumerate(zip(given, wanted, strict=False)) if a != b), min(len(given), len(wanted))
        )
        have, want = (shown(names[row]) if row < len(names) else "none" for names in (given, wanted))
        raise UserError(
            f"predictions {file.path}: its {kind} are not those of data set {name}, or in another order: number {row}"
            f" is {have} in the file, {want} in the data set ({len(given)} and {len(wanted)} names); put names and"
            " columns in the data set's order"
        )


def _coverage(file: PredictionFile, groundtruths: DatasetGroundTruth, *, partial: bool) -> dict[str, int] | None:
    """None where the file has every image that figures are means over; else how many of them."""
    if not file.names_images:
        raise UserError(
            f"predictions {file.path}: its images have no image_id, by which they would meet data set"
            f" {groundtruths.name}"
        )
    if file.dataset and file.dataset != groundtruths.name:
        logger.warning(
            "predictions %s: made on %s by its own word, evaluated on %s", file.path, file.dataset, groundtruths.name
        )
    wanted, given = groundtruths.related_images(), {image_number(image_id) for image_id in file.image_ids}
    missing = [image for image in wanted if image not in given]
    if not missing:
        return None
    if not partial:
        raise UserError(
            f"predictions {file.path}: {len(missing)} of the {len(wanted)} images with a relation of data set"
            f" {groundtruths.name} are missing, such as {missing[0]}; figures of a part are not the data set's:"
            " --partial asks for them all the same"
        )
    return {"images": len(wanted) - len(missing), "of": len(wanted)}


class _PartsOfImages:
    """Counts predicted boxes that lie between 0 and 1, where pixels are expected."""

    def __init__(self, mode: str) -> None:
        self._counts, self._boxes, self._in_parts = mode != "predcls", 0, 0
        self._example: int | str | None = None

    def add(self, image: SavedImage) -> None:
        if not self._counts:
            return
        boxes = image.prediction["boxes"]
        parts = int((((boxes >= 0) & (boxes <= 1)).all(axis=1) & (boxes != np.rint(boxes)).any(axis=1)).sum())
        self._boxes, self._in_parts = self._boxes + len(boxes), self._in_parts + parts
        if parts and self._example is None:
            self._example = image.image_id

    def warn(self, file: PredictionFile) -> None:
        if self._in_parts:
            logger.warning(
                "predictions %s: %d of %d boxes (%.1f %%) lie between 0 and 1, first in image %s: pixels are expected, "
                "not parts",
                file.path, self._in_parts, self._boxes, 100 * self._in_parts / self._boxes, self._example,
            )  # fmt: skip


def _zero_shot(
    file: PredictionFile, setting: Setting, groundtruths: DatasetGroundTruth | None, training: Any
) -> np.ndarray | None:
    """The triplets that the setting names; else those that the training data set lacks; else the file's."""
    if setting.zeroshot_triplets is not None:
        return setting.zeroshot_triplets
    if training is not None:
        known = groundtruths.triplets() if groundtruths is not None else _triplets(file)
        return unseen_triplets(known, training.triplets)
    return file.zeroshot_triplets


def _triplets(file: PredictionFile) -> np.ndarray:
    """(t, 3) subject label, object label, predicate of every relation in the ground truth of a file."""
    found = [np.zeros((0, 3), dtype=np.int64)]
    for image in file:
        if image.groundtruth is None:
            continue
        relations = image.groundtruth["relations"]
        labels = image.groundtruth["labels"][relations[:, :2]]
        found.append(np.column_stack([labels, relations[:, 2]]))
    return np.concatenate(found)
