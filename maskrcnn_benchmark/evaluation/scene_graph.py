"""Recall of scene graphs, streamed: of an image's predictions the ranks of its ground-truth relations are kept."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from maskrcnn_benchmark.evaluation import figures
from maskrcnn_benchmark.evaluation.averages import frequency_thirds, predicate_recall
from maskrcnn_benchmark.evaluation.figures import K_VALUES, MODES
from maskrcnn_benchmark.evaluation.image_ranks import fill_ranks
from maskrcnn_benchmark.evaluation.inputs import (
    GroundTruth,
    Prediction,
    as_array,
    check_labels,
    check_predicates,
    predicate_names_of,
)
from maskrcnn_benchmark.evaluation.records import RelationRecords, Tally, new_rows
from maskrcnn_benchmark.utils.arrays import check_array
from maskrcnn_benchmark.utils.errors import UserError

REL_NMS_THRESHOLD = 0.6


class SceneGraphEvaluator:
    """
    R, mR, zR, their forms without graph constraint, A, accR, F, recall per predicate, confusion; for SGDet phrase
    detection too.

    docs/metrics.md defines each figure. State is integers, sums are exact: any order of images and any sharding gives
    the same bits.

    Dims: n objects, m pairs, r ground-truth relations, K predicates.

    Args:
        mode: "predcls" (boxes and labels are the ground truth's, object scores 1), "sgcls" (boxes are the
            ground truth's) or "sgdet".
        num_predicates: K, the background counted.
        predicate_names: K names, background first; None makes "1", "2", ….
        zeroshot_triplets: (t, 3) subject label, object label, predicate that occur in the test set and not in training.
        iou_threshold: both boxes of a relation must overlap by this much.
        rel_nms: pairs of the same things compete for their predicates (PE-Net's published figures).
        train_counts: (K,) training relations per predicate, for head, body and tail.
    Raises:
        UserError: an unknown mode, an IoU threshold that no overlap can have, names or counts of another length,
            triplets or counts that cannot be.
    """

    def __init__(
        self,
        mode: str,
        num_predicates: int,
        predicate_names: Sequence[str] | None = None,
        zeroshot_triplets: Any = None,
        iou_threshold: float = 0.5,
        rel_nms: bool = False,
        train_counts: Any = None,
    ) -> None:
        if str(mode) not in MODES:
            raise UserError(f"SceneGraphEvaluator: mode must be one of {', '.join(MODES)}, got '{mode}'")
        if not 0 < float(iou_threshold) <= 1:
            raise UserError(
                f"SceneGraphEvaluator: the IoU threshold must lie above 0 and be at most 1, got {iou_threshold}"
            )
        if train_counts is not None and len(train_counts) != num_predicates:
            raise UserError(
                f"SceneGraphEvaluator: train_counts has {len(train_counts)} entries, num_predicates is"
                f" {num_predicates} (background counted)"
            )
        self.mode = str(mode)
        self.num_predicates = num_predicates
        self.predicate_names = predicate_names_of(num_predicates, predicate_names, "SceneGraphEvaluator")
        self.iou_threshold = float(iou_threshold)
        self.rel_nms = bool(rel_nms)
        self.train_counts = None if train_counts is None else _whole(train_counts, "train_counts", None)
        if self.train_counts is not None and self.train_counts.min(initial=0) < 0:
            raise UserError(f"SceneGraphEvaluator: train_counts must not be negative, got {self.train_counts.min()}")
        triplets = _whole([] if zeroshot_triplets is None else zeroshot_triplets, "zeroshot_triplets", 3)
        check_labels("SceneGraphEvaluator: zeroshot_triplets'", triplets[:, :2])
        check_predicates("SceneGraphEvaluator: zeroshot_triplets", triplets[:, 2], num_predicates)
        self.zeroshot_triplets = np.unique(triplets, axis=0)
        self._zero_shot_keys = np.sort(self._triplet_keys(*self.zeroshot_triplets.T))
        self._knows_zero_shot = zeroshot_triplets is not None
        self.records = RelationRecords()
        self.image_ids: list[int | str] = []
        self._split_hash = 0

    # --- an image arrives ---

    def update(
        self, prediction: Mapping[str, Any], groundtruth: Mapping[str, Any], *, image_id: int | str | None = None
    ) -> None:
        """
        Takes an image's predictions and ground truth, numpy arrays or torch tensors.

        Args:
            prediction: boxes (n, 4) xyxy pixels, labels (n,), scores (n,), pairs (m, 2) rows of the boxes,
                predicate_scores (m, K) with the background column. PredCls reads only the last two; pairs are then rows
                of the ground-truth boxes, as they are in SGCls.
            groundtruth: boxes (n, 4), labels (n,), relations (r, 3) subject row, object row, predicate; in the frame of
                the prediction.
            image_id: anything that tells images apart, to pair them with another evaluator's; their number by default.
        Raises:
            UserError: a missing key, wrong shapes, rows without a box, scores that are no probabilities. Nothing is
                counted then.
        """
        gt = GroundTruth.read(groundtruth, self.num_predicates)
        found = Prediction.read(prediction, self.num_predicates, given=gt if self.mode == "predcls" else None)
        if self.mode == "sgcls" and len(found.boxes) != len(gt.boxes):
            raise UserError(
                f"SGCls predicts on the ground-truth boxes: there are {len(gt.boxes)}, the prediction has"
                f" {len(found.boxes)}"
            )
        rows = new_rows(len(gt.relations))
        if len(rows):
            rows[:, 0] = gt.relations[:, 2]
            rows[:, 1] = self._is_zero_shot(gt)
            if len(found.pairs):
                fill_ranks(rows, self.mode, gt, found, self.iou_threshold, REL_NMS_THRESHOLD if self.rel_nms else None)
        self.image_ids.append(len(self.image_ids) if image_id is None else image_id)
        self.records.extend(rows, [len(rows)])
        self._split_hash = (self._split_hash + _hash(gt.boxes, gt.labels, gt.relations)) % (1 << 64)

    def _triplet_keys(
        self, subject_labels: np.ndarray, object_labels: np.ndarray, predicates: np.ndarray
    ) -> np.ndarray:
        """One integer a triplet: labels and predicates are below MAX_CLASSES, 2^20."""
        return (subject_labels << 40) + (object_labels << 20) + predicates

    def _is_zero_shot(self, gt: GroundTruth) -> np.ndarray:
        if not len(self._zero_shot_keys):
            return np.zeros(len(gt.relations), dtype=bool)
        labels = gt.labels[gt.relations[:, :2]]
        keys = self._triplet_keys(labels[:, 0], labels[:, 1], gt.relations[:, 2])
        at = np.searchsorted(self._zero_shot_keys, keys)
        return self._zero_shot_keys[np.minimum(at, len(self._zero_shot_keys) - 1)] == keys

    # --- shards meet ---

    def merge(self, other: "SceneGraphEvaluator") -> None:
        """Adds another evaluator's images to this one's. UserError if it was made with other settings."""
        differ = [key for key, value in self._settings().items() if other._settings()[key] != value]
        if differ:
            raise UserError(
                f"evaluators to be merged differ in {', '.join(differ)}; both must be made with the same arguments"
            )
        self.records.extend(other.records.rows, other.records.lengths.tolist())
        self.image_ids.extend(other.image_ids)
        self._split_hash = (self._split_hash + other._split_hash) % (1 << 64)

    def _settings(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "num_predicates": self.num_predicates,
            "predicate_names": self.predicate_names,
            "zeroshot_triplets": self.zeroshot_triplets.tolist() if self._knows_zero_shot else None,
            "iou_threshold": self.iou_threshold,
            "rel_nms": self.rel_nms,
            "train_counts": None if self.train_counts is None else self.train_counts.tolist(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Settings and counts as plain values and tensors: everything that from_state needs."""
        return {
            "settings": self._settings(),
            "relations": torch.from_numpy(self.records.rows.copy()),
            "lengths": torch.from_numpy(self.records.lengths),
            "image_ids": list(self.image_ids),
            "split_hash": f"{self._split_hash:016x}",
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "SceneGraphEvaluator":
        """The evaluator that state_dict described. UserError if the state's parts do not fit together."""
        evaluator = cls(**state["settings"])
        evaluator.records = RelationRecords.read(state["relations"], state["lengths"], evaluator.num_predicates)
        evaluator.image_ids = list(state["image_ids"])
        if len(evaluator.image_ids) != len(evaluator.records.lengths):
            raise UserError(f"counts of {len(evaluator.records.lengths)} images, but ids of {len(evaluator.image_ids)}")
        evaluator._split_hash = int(state["split_hash"], 16)
        return evaluator

    # --- figures ---

    def tally(self) -> Tally:
        """The relations so far, found and not, for figures to be made of."""
        thirds = None if self.train_counts is None else frequency_thirds(self.train_counts)
        return Tally(self.records, self.num_predicates, thirds)

    def summary(self) -> dict[str, Any]:
        """The dict of metrics.json (docs/metrics.md): fractions from 0 to 1, None where nothing was to be found."""
        tally = self.tally()
        summary: dict[str, Any] = {"mode": self.mode, "images": len(self.image_ids)}
        for figure in figures.FIGURES:
            if figure.measure is not None and figure.applies(self.mode, tally):
                place = summary.setdefault(figure.section, {}) if figure.section else summary
                place[figure.name] = {str(k): figure.measure.value(tally, k) for k in K_VALUES}
        for key, rank in (("per_predicate", "rank"), ("ng-per_predicate", "ng_rank")):
            by_k = {str(k): predicate_recall(tally.counts(rank, k), self.num_predicates) for k in K_VALUES}
            summary[key] = {
                name: {k: values[i] for k, values in by_k.items()} for i, name in enumerate(self.predicate_names[1:])
            }
        summary["confusion"] = self._confusion()
        summary["choices"] = self._choices(tally)
        return summary

    def _confusion(self) -> list[list[int]]:
        """(K, K) counts, ground truth by predicted predicate; column 0: pairs that the prediction does not hold."""
        cells = self.records.column("predicate").astype(np.int64) * self.num_predicates + self.records.column(
            "predicted"
        )
        return np.bincount(cells, minlength=self.num_predicates**2).reshape(self.num_predicates, -1).tolist()

    def _choices(self, tally: Tally) -> dict[str, Any]:
        """Everything that moves the figures and differs between papers."""
        present = set(self.records.column("predicate").tolist())
        absent = [name for p, name in enumerate(self.predicate_names) if p and p not in present]
        choices: dict[str, Any] = {
            "graph_constraint": "R, mR, zR, accR, A, F: one predicate a pair; ng-: any number",
            "rel_nms": REL_NMS_THRESHOLD if self.rel_nms else False,
            "iou_threshold": self.iou_threshold,
            "pixel_convention": "boxes are x2 - x1 + 1 wide, IoU in float32",
            "predicates_averaged": self.num_predicates - 1,
            "predicates_absent": len(absent),
            "absent_predicates": absent,
            "images_without_relations": int((self.records.lengths == 0).sum()),
            "relations": len(self.records.rows),
            "split_hash": f"{self._split_hash:016x}",
            "zeroshot_triplets": len(self.zeroshot_triplets) if self._knows_zero_shot else None,
            "zeroshot_hash": f"{_hash(self.zeroshot_triplets):016x}" if self._knows_zero_shot else None,
            "zeroshot_relations": int(self.records.column("zero_shot").sum()),
        }
        if tally.thirds is not None:
            choices["groups"] = {name: [self.predicate_names[p] for p in own] for name, own in tally.thirds.items()}
        return choices


def _whole(values: Any, name: str, columns: int | None) -> np.ndarray:
    """Values (n,) or (n, columns) of a setting as int64. UserError if they are no whole numbers."""
    array = as_array(values)
    array = array if array.size or columns is None else array.reshape(0, columns)
    return check_array(array, f"SceneGraphEvaluator: {name}", columns, whole=True).astype(np.int64)


def _hash(*arrays: np.ndarray) -> int:
    """A 64-bit fingerprint of values and lengths."""
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(array).data)
    return int.from_bytes(digest.digest(), "little")
