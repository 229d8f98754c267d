"""The order in which predicted relations count: by falling score; equal scores keep the order in which they came."""

from dataclasses import dataclass

import numpy as np
import torch

from maskrcnn_benchmark.evaluation.inputs import Prediction
from maskrcnn_benchmark.layers import relation_nms


@dataclass(frozen=True)
class RankedPairs:
    """Predicted pairs of one image, each with one predicate. Dims: m pairs, K predicates (0 is background)."""

    pairs: np.ndarray  # (m, 2) subject and object rows
    probabilities: np.ndarray  # (m, K)
    entity_scores: np.ndarray | None  # (m,) subject score times object score; None: all 1
    best: np.ndarray  # (m,) most probable predicate, background left out
    best_scores: np.ndarray  # (m,) its probability times the entity scores
    predicates: np.ndarray  # (m,) the predicate given under the graph constraint
    scores: np.ndarray  # (m,) its probability times the entity scores


def top(scores: np.ndarray, limit: int) -> np.ndarray:
    """Positions of the `limit` highest scores (m,), or of all, descending; equal ones in the order they came in."""
    negative = -scores
    if len(scores) <= limit:
        return negative.argsort(kind="stable")
    partitioned = negative.copy()
    partitioned.partition(limit - 1)
    reached = (negative <= partitioned[limit - 1]).nonzero()[0]  # every tie at the cut is still in
    return reached[negative[reached].argsort(kind="stable")[:limit]]


def rank_pairs(found: Prediction, nms_threshold: float | None = None) -> RankedPairs:
    """
    Gives every pair, of which there must be one, its predicate and score under the graph constraint.

    Args:
        nms_threshold: overlap from which pairs of the same labels compete for a predicate (PE-Net's rel_nms); None
            leaves it out.
    """
    pairs, probabilities, object_scores = found.pairs, found.predicate_scores, found.scores
    best = probabilities[:, 1:].argmax(axis=1) + 1
    rows = np.arange(0, probabilities.size, probabilities.shape[1])
    flat = probabilities.reshape(-1)
    entity_scores = None if object_scores is None else object_scores[pairs[:, 0]] * object_scores[pairs[:, 1]]

    def score(predicates: np.ndarray) -> np.ndarray:
        chosen = flat[rows + predicates]
        return chosen if entity_scores is None else entity_scores * chosen

    best_scores = score(best)
    if nms_threshold is None:
        return RankedPairs(pairs, probabilities, entity_scores, best, best_scores, best, best_scores)
    predicates = _suppressed_predicates(found, nms_threshold)
    return RankedPairs(pairs, probabilities, entity_scores, best, best_scores, predicates, score(predicates))


def unconstrained(ranked: RankedPairs, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """
    The `limit` best of all pair and predicate products (no graph constraint): pair rows and predicates, by falling
    score.

    Only the `limit` best pairs can hold one: any other pair's best product already has that many ahead of it.
    """
    rows = np.sort(top(ranked.best_scores, limit))
    products = ranked.probabilities[rows, 1:]
    if ranked.entity_scores is not None:
        products = ranked.entity_scores[rows, None] * products
    place, predicate = np.divmod(top(products.reshape(-1), limit), products.shape[1])
    return rows[place], predicate + 1


def _suppressed_predicates(found: Prediction, threshold: float) -> np.ndarray:
    """A predicate (m,) for every pair, by relation_nms: pairs of the same things do not share one if possible."""
    subjects, objects = torch.from_numpy(found.pairs.T.copy())
    place, kind = torch.from_numpy(found.boxes), torch.from_numpy(found.labels)
    foreground = torch.from_numpy(found.predicate_scores[:, 1:].copy())
    chosen = relation_nms(foreground, kind[subjects], kind[objects], place[subjects], place[objects], threshold)
    return chosen.numpy() + 1
