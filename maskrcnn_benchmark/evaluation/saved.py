"""Figures of saved predictions: the work behind tools/evaluate.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product, zip_longest
from typing import Any, NamedTuple

import numpy as np

from maskrcnn_benchmark.data.annotations import in_parts
from maskrcnn_benchmark.data.build import read_source, training_statistics
from maskrcnn_benchmark.data.datasets import SceneGraphDataset
from maskrcnn_benchmark.data.datasets.catalog import dataset_entry
from maskrcnn_benchmark.data.image_ids import image_number
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.data.zeroshot import read_triplets, unseen_triplets
from maskrcnn_benchmark.evaluation.figures import MODES
from maskrcnn_benchmark.evaluation.inputs import MAX_CLASSES, as_array
from maskrcnn_benchmark.evaluation.matching import overlaps
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
        zeroshot: the file of zero-shot triplets (data.zeroshot.read_triplets).
        open_images: the figures of the Open Images challenge too.
        partial: the file may hold a part of the data set's images; the figures are then of that part, and "coverage"
            says so.
    """

    mode: str | None = None
    dataset: str | None = None
    train_dataset: str | None = None
    zeroshot: str | None = None
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
        self.dataset = SceneGraphDataset(
            source, entry.split, image_dir=entry.files["images"], num_val=entry.num_val, with_relations=False
        )
        self.meta = self.dataset.meta
        self._index = {self.dataset.get_img_info(i)["image_id"]: i for i in range(len(self.dataset))}

    def related_images(self) -> list[int]:
        """Ids of the images with a relation, which figures are means over."""
        related = self.dataset.relation_counts() > 0
        return [image for image, row in self._index.items() if related[row]]

    def __getitem__(self, image_id: int | str) -> dict[str, Any]:
        return groundtruth_arrays(self.dataset.get_groundtruth(self._row(image_id)))

    def image(self, image_id: int | str) -> np.ndarray:
        """The image's pixels, (h, w, 3) uint8 RGB. UserError if its file is missing, damaged or of another size."""
        return self.dataset.image(self._row(image_id)).permute(1, 2, 0).contiguous().numpy()

    def image_name(self, image_id: int | str) -> str:
        """The name of the image's file."""
        return self.dataset.image_path(self._row(image_id)).name

    def _row(self, image_id: int | str) -> int:
        try:
            return self._index[image_number(image_id)]
        except (KeyError, ValueError) as error:
            raise UserError(f"data set {self.name}: no image '{image_id}', which the predictions name") from error


def evaluate_saved(file: PredictionFile, setting: Setting) -> tuple[SceneGraphEvaluator, dict[str, Any]]:
    """
    The evaluator of a file of predictions, for the bootstrap, and the dict of metrics.json.

    Raises:
        UserError: no ground truth in the file and no data set named, an unknown mode, other names of classes or
            predicates than the data set's, an image that the data set lacks, or without `partial` one that the file
            lacks.
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
    known, training = [Names.of_file(file)], None
    if groundtruths is not None:
        known.append(Names.of_data_set(groundtruths.name, groundtruths.meta))
    if setting.train_dataset:
        training = training_statistics(setting.train_dataset)
        known.append(Names.of_data_set(setting.train_dataset, training.meta, "the data set of training"))
    check_names(*known)
    coverage = _coverage(file, groundtruths, partial=setting.partial) if groundtruths else None
    names = file.predicates or (() if groundtruths is None else groundtruths.meta.predicates)
    objects = file.objects or (() if groundtruths is None else groundtruths.meta.objects)
    num_predicates = len(names) or file.num_predicates
    zeroshot = file.zeroshot_triplets
    if setting.zeroshot is not None:
        classes = max(len(one.source.objects) for one in known) or MAX_CLASSES
        zeroshot = read_triplets(setting.zeroshot, num_classes=classes, num_predicates=num_predicates)
    elif training is not None:
        found = _triplets(file) if groundtruths is None else groundtruths.dataset.triplets()
        zeroshot = unseen_triplets(found, training.triplets)
    try:
        scores = RelationScores(
            mode,
            num_predicates,
            predicate_names=names or None,
            objects=objects,
            train_counts=file.train_counts if training is None else training.meta.predicate_counts(),
            zeroshot_triplets=zeroshot,
            iou_threshold=setting.iou_threshold,
            rel_nms=setting.rel_nms,
            open_images=setting.open_images,
            training=None if training is None else training.meta,
        )
    except UserError as error:
        raise UserError(f"predictions {file.path}: {error}") from error
    doubts = _Doubts(mode)
    for image in progress(file, total=len(file.image_ids), desc=file.path.name, unit="image"):
        groundtruth = image.groundtruth if groundtruths is None else groundtruths[image.image_id]
        try:
            scores.update(image.prediction, groundtruth, image_id=image.image_id)
        except UserError as error:
            raise UserError(f"predictions {file.path}: image {image.image_id}: {error}") from error
        doubts.add(image, groundtruth)
    doubts.warn(file)
    return scores.model, scores.summary() | ({"coverage": coverage} if coverage else {})


class Names(NamedTuple):
    """Whose predicates and objects: in full, in short, and the names, empty where they are not known."""

    what: str
    place: str
    source: PredictionFile | DatasetMeta

    @classmethod
    def of_file(cls, file: PredictionFile, place: str = "the file") -> "Names":
        return cls(f"predictions {file.path}", place, file)

    @classmethod
    def of_data_set(cls, name: str, meta: DatasetMeta, place: str = "the data set") -> "Names":
        return cls(f"data set {name}", place, meta)


def check_names(*known: Names) -> None:
    """UserError if two of these name their predicates or objects, and not alike."""
    for (one, other), kind in product(combinations(known, 2), ("predicates", "objects")):
        given, wanted = getattr(one.source, kind), getattr(other.source, kind)
        if not given or not wanted or given == wanted:
            continue
        row = next(i for i, (a, b) in enumerate(zip_longest(given, wanted)) if a != b)
        have, want = (shown(names[row]) if row < len(names) else "none" for names in (given, wanted))
        raise UserError(
            f"{one.what}: its {kind} are not those of {other.what}, or in another order: number {row} is {have} in"
            f" {one.place}, {want} in {other.place} ({len(given)} and {len(wanted)} names); put names and columns in"
            " one order"
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


# What may be in predictions and is hardly meant: what is counted, and what was expected.
_PARTS = ("boxes", "lie between 0 and 1", "pixels are expected, not parts")
_TURNED = ("boxes", "end before they begin", "x1, y1, x2, y2 are expected, not width and height")
_BACKGROUND = ("objects", "have label 0, the background's", "labels count from 1")
_REPEATED = (
    "pairs",
    "stand again in their image",
    "all predicates of a pair belong into one row, else it counts twice",
)
_ELSEWHERE = (
    "boxes",
    "are not where the ground truth's of their row are",
    "pairs are rows of the ground truth's boxes, in their order",
)


class _Doubts:
    """Counts over the images what is hardly meant, and tells it once."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._counts: dict[tuple[str, str, str], list[Any]] = {}  # how many, of how many, the first image

    def add(self, image: SavedImage, groundtruth: Mapping[str, np.ndarray]) -> None:
        """Looks at an image that was evaluated against this ground truth."""
        pairs = image.prediction["pairs"]
        repeated = np.ones(len(pairs), dtype=bool)
        repeated[np.unique(pairs @ np.array([pairs.max(initial=0) + 1, 1]), return_index=True)[1]] = False
        self._count(_REPEATED, repeated, image)
        given = [image.prediction] if self._mode != "predcls" else []
        for part in [*given, *([] if image.groundtruth is None else [image.groundtruth])]:
            boxes = part["boxes"]
            self._count(_PARTS, in_parts(boxes), image)
            self._count(_TURNED, np.any(boxes[:, 2:] < boxes[:, :2], axis=1), image)
            self._count(_BACKGROUND, part["labels"] == 0, image)
        if self._mode != "sgdet":
            boxes, true = image.prediction["boxes"], as_array(groundtruth["boxes"])
            elsewhere = overlaps(boxes, true) < 0.5 if len(boxes) == len(true) else np.ones(len(boxes), dtype=bool)
            self._count(_ELSEWHERE, elsewhere, image)

    def _count(self, doubt: tuple[str, str, str], is_so: np.ndarray, image: SavedImage) -> None:
        entry = self._counts.setdefault(doubt, [0, 0, None])
        entry[0], entry[1] = entry[0] + int(is_so.sum()), entry[1] + len(is_so)
        if entry[2] is None and is_so.any():
            entry[2] = image.image_id

    def warn(self, file: PredictionFile) -> None:
        """A line for each."""
        for (things, what, expected), (number, of, first) in self._counts.items():
            if number:
                logger.warning(
                    "predictions %s: %d of %d %s (%.1f %%) %s, first in image %s: %s",
                    file.path, number, of, things, 100 * number / of, what, first, expected,
                )  # fmt: skip


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
