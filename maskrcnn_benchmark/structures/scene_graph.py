"""A scene graph with names: what prediction, pictures and exports show of a result."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True)
class SceneObject:
    """One object: `box` xyxy in pixels of the graph's frame, its class and the probability of that class."""

    box: tuple[float, float, float, float]
    label: str
    score: float = 1.0


@dataclass(frozen=True)
class SceneRelation:
    """One relation: `subject` and `object` are rows of the graph's objects, `score` is the triplet's."""

    subject: int
    object: int
    predicate: str
    score: float = 1.0


@dataclass(frozen=True)
class SceneGraph:
    """Objects and relations of one image of (width, height) `size`; relations by falling score."""

    size: tuple[int, int]
    objects: list[SceneObject] = field(default_factory=list)
    relations: list[SceneRelation] = field(default_factory=list)

    @classmethod
    def from_result(
        cls,
        result: BoxList,
        objects: Sequence[str],
        predicates: Sequence[str],
        *,
        size: tuple[int, int] | None = None,
        max_relations: int | None = None,
        min_score: float = 0.0,
    ) -> "SceneGraph":
        """
        The graph of a model's result.

        Args:
            result: BoxList with `pred_labels` (n,), `pred_scores` (n,) and, of a relation model, `rel_pair_idxs` (m, 2),
                `pred_rel_scores` (m, K), `pred_rel_labels` (m,).
            objects, predicates: names, background first (DatasetMeta has them).
            size: (width, height) of the frame to express boxes in; by default the result's own.
            max_relations: keep that many of the best.
            min_score: leave out relations with a lower triplet score (predicate x subject x object).
        """
        frame = result if size is None else result.resize(size)
        scores = result.get_field("pred_scores").detach().float().cpu()
        found = _objects(frame, result.get_field("pred_labels"), scores.tolist(), objects)
        relations = []
        if result.has_field("rel_pair_idxs"):
            pairs = result.get_field("rel_pair_idxs").cpu()
            labels = result.get_field("pred_rel_labels").cpu()
            predicate_scores = result.get_field("pred_rel_scores").detach().float().cpu().gather(1, labels[:, None])[:, 0]
            triplet_scores = predicate_scores * scores[pairs[:, 0]] * scores[pairs[:, 1]]
            order = triplet_scores.argsort(descending=True, stable=True)[:max_relations]
            relations = [
                SceneRelation(int(pairs[row, 0]), int(pairs[row, 1]), predicates[int(labels[row])], float(triplet_scores[row]))
                for row in order.tolist()
                if triplet_scores[row] >= min_score
            ]
        return cls(frame.size, found, relations)

    @classmethod
    def from_groundtruth(cls, target: BoxList, objects: Sequence[str], predicates: Sequence[str]) -> "SceneGraph":
        """The graph of an annotation: BoxList with `labels` (n,) and `relation_tuple` (r, 3) subject, object, predicate."""
        found = _objects(target, target.get_field("labels"), [1.0] * len(target), objects)
        triplets = target.get_field("relation_tuple").tolist() if target.has_field("relation_tuple") else []
        return cls(target.size, found, [SceneRelation(subject, object_, predicates[predicate]) for subject, object_, predicate in triplets])

    def triplets(self) -> list[tuple[str, str, str]]:
        """The relations as (subject label, predicate, object label), in their order."""
        return [(self.objects[r.subject].label, r.predicate, self.objects[r.object].label) for r in self.relations]

    def to_dict(self) -> dict[str, Any]:
        """
        Plain values for JSON: {"width", "height", "objects": [{"box", "label", "score"}],
        "relations": [{"subject", "object", "predicate", "score"}]}.
        """
        return {
            "width": self.size[0],
            "height": self.size[1],
            "objects": [{**asdict(item), "box": list(item.box)} for item in self.objects],
            "relations": [asdict(item) for item in self.relations],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SceneGraph":
        """The inverse of to_dict."""
        objects = [SceneObject(tuple(item["box"]), item["label"], item.get("score", 1.0)) for item in values["objects"]]
        relations = [SceneRelation(**item) for item in values["relations"]]
        return cls((values["width"], values["height"]), objects, relations)


def _objects(frame: BoxList, labels: Tensor, scores: list[float], names: Sequence[str]) -> list[SceneObject]:
    boxes = frame.convert("xyxy").bbox.detach().cpu().tolist()
    return [SceneObject(tuple(box), names[label], score) for box, label, score in zip(boxes, labels.tolist(), scores, strict=True)]
