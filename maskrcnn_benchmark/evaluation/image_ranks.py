"""One image: at which place each ground-truth relation is found, in every list that the figures read."""

import numpy as np

from maskrcnn_benchmark.evaluation import matching
from maskrcnn_benchmark.evaluation.inputs import GroundTruth, Prediction
from maskrcnn_benchmark.evaluation.ranking import RankedPairs, rank_pairs, top, unconstrained
from maskrcnn_benchmark.evaluation.records import LIMIT


def fill_ranks(
    rows: np.ndarray, mode: str, gt: GroundTruth, found: Prediction, iou_threshold: float, nms_threshold: float | None
) -> None:
    """
    Fills the ranks and the predicted predicate (columns 2 to 7 of records.COLUMNS) of an image's relations.

    Args:
        rows: (r, 8), r ground-truth relations, at least 1; written in place.
        mode: "predcls", "sgcls" or "sgdet".
        found: m pairs, at least 1.
        nms_threshold: None leaves rel_nms out.
    """
    ranked = rank_pairs(found, nms_threshold)
    best = top(ranked.scores, LIMIT)
    ng_rows, ng_predicates = unconstrained(ranked, LIMIT)
    same = matching.same_objects(gt, found, iou_threshold)
    if mode == "sgdet":
        true_rows, held = _true_pairs_by_overlap(gt, ranked, same)
        of_pairs = true_rows[:0]  # A@K needs ground-truth boxes
    else:
        true_rows, held = _true_pairs_by_row(gt, ranked, found.labels)
        of_pairs = true_rows[:LIMIT]

    # The three ranked lists side by side: one predicate a pair, no graph constraint, ground-truth pairs only.
    lists = {"rank": slice(0, len(best)), "ng_rank": slice(len(best), len(best) + len(ng_rows))}
    pairs = ranked.pairs[np.concatenate([best, ng_rows, of_pairs])]
    predicates = np.concatenate([ranked.predicates[best], ng_predicates, ranked.predicates[of_pairs]])
    agree = gt.relations[:, 2:] == predicates
    hits = agree & matching.pair_hits(same, gt.relations[:, :2], pairs)
    rows[:, 2] = matching.first_hits(hits[:, lists["rank"]], LIMIT)
    rows[:, 3] = matching.first_hits(hits[:, lists["ng_rank"]], LIMIT)
    if mode == "sgdet":
        hits = _phrase_hits(agree, gt, found, pairs, iou_threshold)
        rows[:, 5] = matching.first_hits(hits[:, lists["rank"]], LIMIT)
        rows[:, 6] = matching.first_hits(hits[:, lists["ng_rank"]], LIMIT)
    else:
        rows[:, 4] = matching.first_hits(hits[:, lists["ng_rank"].stop :], LIMIT)
    if len(true_rows):
        place = matching.first_hits(held, -1)
        rows[:, 7] = np.where(place < 0, 0, ranked.predicates[true_rows[place]])


def _true_pairs_by_row(gt: GroundTruth, ranked: RankedPairs, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    PredCls and SGCls: the p predicted pairs of which the ground truth has a relation, (p,) rows by descending score;
    and (r, p) bool, whether a pair is that of relation i and both its labels are right.
    """
    subjects, objects = gt.relations[:, 0], gt.relations[:, 1]
    is_true = np.zeros((len(labels), len(labels)), dtype=bool)
    is_true[subjects, objects] = True
    listed = np.flatnonzero(is_true[ranked.pairs[:, 0], ranked.pairs[:, 1]])
    listed = listed[np.argsort(-ranked.scores[listed], kind="stable")]
    held = (subjects[:, None] == ranked.pairs[listed, 0]) & (objects[:, None] == ranked.pairs[listed, 1])
    right = labels == gt.labels
    held &= (right[subjects] & right[objects])[:, None]
    return listed, held


def _true_pairs_by_overlap(gt: GroundTruth, ranked: RankedPairs, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SGDet: as _true_pairs_by_row; an object stands for any ground-truth one that is the `same`."""
    stands = np.asarray(same.any(axis=0))
    listed = np.flatnonzero(stands[ranked.pairs[:, 0]] & stands[ranked.pairs[:, 1]])
    listed = listed[np.argsort(-ranked.scores[listed], kind="stable")]
    return listed, matching.pair_hits(same, gt.relations[:, :2], ranked.pairs[listed])


def _phrase_hits(
    agree: np.ndarray, gt: GroundTruth, found: Prediction, pairs: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """(r, p) bool: predicates `agree`, so do both labels, and the boxes around the pairs overlap by the threshold."""
    true_pairs = gt.relations[:, :2]
    true_labels, labels = gt.labels[true_pairs], found.labels[pairs]
    hits = agree & (true_labels[:, None, 0] == labels[:, 0]) & (true_labels[:, None, 1] == labels[:, 1])
    row, column = np.nonzero(hits)
    around = matching.union_boxes(found.boxes, pairs)[column]
    true_around = matching.union_boxes(gt.boxes, true_pairs)[row]
    hits[row, column] = matching.overlaps(true_around, around) >= iou_threshold
    return hits
