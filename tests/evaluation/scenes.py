"""Hand-made ground truth and predictions for the tests of this folder."""

import numpy as np


def truth(boxes, labels, relations):
    return {
        "boxes": np.array(boxes, dtype=np.float32).reshape(-1, 4),
        "labels": np.array(labels, dtype=np.int64),
        "relations": np.array(relations, dtype=np.int64).reshape(-1, 3),
    }


def predict(groundtruth, scores_of_pairs, num_predicates=5, boxes=None, labels=None, scores=None):
    """A prediction on the annotated boxes from {(subject, object): {predicate: score}}, in the order of the dict."""
    count = len(groundtruth["labels"])
    predicate_scores = np.zeros((len(scores_of_pairs), num_predicates), dtype=np.float32)
    for row, scored in enumerate(scores_of_pairs.values()):
        for predicate, score in scored.items():
            predicate_scores[row, predicate] = score
    return {
        "boxes": groundtruth["boxes"] if boxes is None else np.array(boxes, dtype=np.float32),
        "labels": groundtruth["labels"] if labels is None else np.array(labels),
        "scores": np.ones(count, dtype=np.float32) if scores is None else np.array(scores, dtype=np.float32),
        "pairs": np.array(list(scores_of_pairs), dtype=np.int64).reshape(-1, 2),
        "predicate_scores": predicate_scores,
    }


def apart(count, size=10):
    """Boxes that do not touch."""
    return [[100 * i, 0, 100 * i + size - 1, size - 1] for i in range(count)]


def random_image(rng, mode, boxes, relations, found_boxes=None, keep=1.0, repeats=1, num_predicates=5):
    """
    Overlapping boxes of few labels, relations with repeats and self-relations, predictions in coarse (so tied) scores.
    """
    corner = rng.integers(0, 12, (boxes, 2))
    true_boxes = np.concatenate([corner, corner + rng.integers(4, 20, (boxes, 2))], 1).astype(np.float32)
    labels = rng.integers(1, 4, boxes)
    annotated = np.column_stack([rng.integers(0, boxes, (relations, 2)), rng.integers(1, num_predicates, relations)])
    count = boxes if mode != "sgdet" else found_boxes or boxes
    pairs = [
        (s, o) for s in range(count) for o in range(count) if (s != o or rng.random() < 0.1) and rng.random() < keep
    ]
    pairs = np.repeat(np.array(pairs, dtype=int).reshape(-1, 2), repeats, axis=0)
    if mode == "sgdet":
        chosen = rng.integers(0, boxes, count)
        boxes_, labels_ = true_boxes[chosen] + rng.integers(-3, 4, (count, 4)).astype(np.float32), labels[chosen]
    else:
        boxes_, labels_ = true_boxes, np.where(rng.random(boxes) < 0.2, 1, labels)
    prediction = {
        "boxes": boxes_,
        "labels": labels_,
        "scores": (rng.integers(1, 5, count) / 4).astype(np.float32),
        "pairs": pairs,
        "predicate_scores": (rng.integers(0, 17, (len(pairs), num_predicates)) / 64).astype(np.float32),
    }
    return prediction, truth(true_boxes, labels, annotated)
