"""
A plain scene graph evaluator: image by image, relation by relation, as the published evaluators compute. Slow and easy
to read.

It is what benchmarks/evaluator.py measures against and the oracle of the evaluator's tests. One class, one method an
idea; everything an image yields is kept as plain lists. Formulas: docs/metrics.md.
"""

from functools import reduce

import numpy as np

KS = (20, 50, 100)


def iou(box, boxes):
    """IoU of one box (4,) with others (n, 4), boxes x2 - x1 + 1 wide."""
    left_top = np.maximum(box[:2], boxes[:, :2])
    right_bottom = np.minimum(box[2:], boxes[:, 2:])
    sides = np.clip(right_bottom - left_top + 1, 0, None)
    shared = sides[:, 0] * sides[:, 1]
    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    together = area + areas - shared
    return np.where(together > 0, shared / np.where(together > 0, together, 1), 0)


def union(subject_boxes, object_boxes):
    return np.concatenate(
        [np.minimum(subject_boxes[:, :2], object_boxes[:, :2]), np.maximum(subject_boxes[:, 2:], object_boxes[:, 2:])],
        1,
    )


def suppressed_predicates(scores, labels, boxes, pairs, threshold=0.6):
    """
    rel_nms by its description: P times the largest remaining entry settles its pair and strikes the predicate from the
    neighbours.
    """
    left, given = scores[:, 1:].copy(), np.full(len(pairs), -1)
    pair_labels = labels[pairs]
    for _ in range(len(pairs)):
        pair, predicate = np.unravel_index(left.argmax(), left.shape)
        given[pair] = predicate + 1
        neighbours = (pair_labels == pair_labels[pair]).all(1)
        for side in (0, 1):
            neighbours &= iou(boxes[pairs[pair, side]], boxes[pairs[:, side]]) >= threshold
        left[neighbours & (given < 0), predicate] = 0  # pairs taken out stay out, even where only zeros are left
        left[pair] = -1
    return given


class PlainEvaluator:
    """Same arguments and, where it has them, the same figures as SceneGraphEvaluator."""

    def __init__(self, mode, num_predicates, zeroshot_triplets=(), iou_threshold=0.5, rel_nms=False):
        self.mode, self.num_predicates, self.iou_threshold, self.rel_nms = mode, num_predicates, iou_threshold, rel_nms
        self.zero_shot = {tuple(int(x) for x in t) for t in zeroshot_triplets}
        self.lists = ["", "ng-"] + (["phr ", "phr ng-"] if mode == "sgdet" else [])
        self.recall = {(kind, k): [] for kind in self.lists for k in KS}
        self.zero_recall = {(kind, k): [] for kind in self.lists for k in KS}
        self.per_predicate = {(kind, k): [[] for _ in range(num_predicates)] for kind in self.lists for k in KS}
        self.hits = {(kind, k): 0 for kind in [*self.lists, "pair"] for k in KS}
        self.relations = 0
        self.confusion = np.zeros((num_predicates, num_predicates), dtype=int)

    def update(self, prediction, groundtruth):
        true_boxes, true_labels, relations = groundtruth["boxes"], groundtruth["labels"], groundtruth["relations"]
        if len(relations) == 0:
            return
        boxes, labels, scores = prediction["boxes"], prediction["labels"], prediction["scores"]
        if self.mode == "predcls":
            boxes, labels, scores = true_boxes, true_labels, np.ones(len(true_labels), dtype=np.float32)
        pairs, predicate_scores = prediction["pairs"], prediction["predicate_scores"]
        entity_scores = scores[pairs[:, 0]] * scores[pairs[:, 1]]

        # With graph constraint: one predicate a pair, sorted once.
        given = predicate_scores[:, 1:].argmax(1) + 1 if len(pairs) else np.zeros(0, dtype=int)
        if self.rel_nms:
            given = suppressed_predicates(predicate_scores, labels, boxes, pairs)
        order = np.argsort(-(entity_scores * predicate_scores[np.arange(len(pairs)), given]), kind="stable")
        ranked_pairs, ranked_given = pairs[order], given[order]

        # Without: all products, the 100 best.
        products = entity_scores[:, None] * predicate_scores[:, 1:]
        best = np.argsort(-products.ravel(), kind="stable")[:100]
        ng_pairs, ng_given = pairs[best // (self.num_predicates - 1)], best % (self.num_predicates - 1) + 1

        truth = (relations, true_labels, true_boxes)
        matches = {
            "": self.matches(truth, ranked_pairs, ranked_given, labels, boxes, phrase=False),
            "ng-": self.matches(truth, ng_pairs, ng_given, labels, boxes, phrase=False),
        }
        if self.mode == "sgdet":
            matches["phr "] = self.matches(truth, ranked_pairs, ranked_given, labels, boxes, phrase=True)
            matches["phr ng-"] = self.matches(truth, ng_pairs, ng_given, labels, boxes, phrase=True)
        self.relations += len(relations)
        for kind, found in matches.items():
            self.count_recall(kind, found, relations)
            self.count_hits(kind, found)
            self.count_zero_shot(kind, found, relations, true_labels)
            self.count_per_predicate(kind, found, relations)
        if self.mode != "sgdet":
            true_pairs = {(int(s), int(o)) for s, o, _ in relations}
            found = [
                match
                for pair, match in zip(ranked_pairs, matches[""], strict=True)
                if (int(pair[0]), int(pair[1])) in true_pairs
            ]
            self.count_hits("pair", found)
        self.confuse(truth, ranked_pairs, ranked_given, labels, boxes)

    def matches(self, truth, pairs, predicates, labels, boxes, phrase):
        """For each prediction, the annotated relations that it finds."""
        relations, true_labels, true_boxes = truth
        found = [[] for _ in pairs]
        triplets = np.column_stack([labels[pairs[:, 0]], predicates, labels[pairs[:, 1]]])
        for i, (s, o, predicate) in enumerate(relations):
            alike = np.where((triplets == [true_labels[s], predicate, true_labels[o]]).all(1))[0]
            if len(alike) == 0:
                continue
            subject_boxes, object_boxes = boxes[pairs[alike, 0]], boxes[pairs[alike, 1]]
            if phrase:
                around = union(true_boxes[s : s + 1], true_boxes[o : o + 1])[0]
                good = iou(around, union(subject_boxes, object_boxes)) >= self.iou_threshold
            else:
                good = (iou(true_boxes[s], subject_boxes) >= self.iou_threshold) & (
                    iou(true_boxes[o], object_boxes) >= self.iou_threshold
                )
            for j in alike[good]:
                found[j].append(i)
        return found

    @staticmethod
    def first(found, k):
        """The annotated relations that the first k predictions find, each once."""
        return reduce(np.union1d, found[:k], np.zeros(0)).astype(int)

    # Each figure works from the matches by itself, as each metric of the published evaluators does.

    def count_recall(self, kind, found, relations):
        for k in KS:
            hit = self.first(found, k)
            self.recall[kind, k].append(len(hit) / len(relations))

    def count_hits(self, kind, found):
        for k in KS:
            self.hits[kind, k] += len(self.first(found, k))

    def count_zero_shot(self, kind, found, relations, true_labels):
        unseen = {
            i
            for i, (s, o, p) in enumerate(relations)
            if (int(true_labels[s]), int(true_labels[o]), int(p)) in self.zero_shot
        }
        for k in KS:
            hit = unseen & set(self.first(found, k).tolist())
            if unseen:
                self.zero_recall[kind, k].append(len(hit) / len(unseen))

    def count_per_predicate(self, kind, found, relations):
        for k in KS:
            total, met = [0] * self.num_predicates, [0] * self.num_predicates
            for _, _, predicate in relations:
                total[predicate] += 1
            for i in self.first(found, k):
                met[relations[i, 2]] += 1
            for predicate in range(self.num_predicates):
                if total[predicate]:
                    self.per_predicate[kind, k][predicate].append(met[predicate] / total[predicate])

    def confuse(self, truth, pairs, predicates, labels, boxes):
        """
        Of each annotated relation: the predicate of the first prediction that is about its two objects; 0 if there is
        none.
        """
        relations, true_labels, true_boxes = truth
        for s, o, predicate in relations:
            if self.mode == "sgdet":
                about = np.ones(len(pairs), dtype=bool)
                for true, side in ((s, 0), (o, 1)):
                    of_side = pairs[:, side]
                    about &= (labels[of_side] == true_labels[true]) & (
                        iou(true_boxes[true], boxes[of_side]) >= self.iou_threshold
                    )
            else:
                about = (
                    (pairs[:, 0] == s)
                    & (pairs[:, 1] == o)
                    & bool(labels[s] == true_labels[s] and labels[o] == true_labels[o])
                )
            where = np.where(about)[0]
            self.confusion[predicate, predicates[where[0]] if len(where) else 0] += 1

    def summary(self):
        table = {"confusion": self.confusion.tolist()}
        for kind in self.lists:
            target = table.setdefault("phrdet", {}) if kind.startswith("phr ") else table
            prefix = kind.removeprefix("phr ")
            for name in ("R", "zR", "mR"):
                target[f"{prefix}{name}"] = {}
            for k in KS:
                per_predicate = [np.mean(values) if values else 0.0 for values in self.per_predicate[kind, k][1:]]
                target[f"{prefix}R"][str(k)] = self.mean(self.recall[kind, k])
                target[f"{prefix}zR"][str(k)] = self.mean(self.zero_recall[kind, k])
                target[f"{prefix}mR"][str(k)] = np.mean(per_predicate) if self.relations else None
        for name, kind in (("accR", ""), ("A", "pair")):
            if name == "accR" or self.mode != "sgdet":
                table[name] = {str(k): self.hits[kind, k] / self.relations if self.relations else None for k in KS}
        return table

    @staticmethod
    def mean(values):
        return np.mean(values) if values else None
