"""A scene graph with names: what prediction, pictures and exports show of a result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np
from torch import Tensor

from maskrcnn_benchmark.data.image_files import read_image
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.utils.errors import UserError
from maskrcnn_benchmark.utils.untrusted import NUMBER, TEXT, Kind, fields, is_number, is_whole
from maskrcnn_benchmark.visualization.draw import draw_graph
from maskrcnn_benchmark.visualization.graph import to_json, to_networkx

SIDE = Kind("a whole number above 0", lambda v: is_whole(v) and v > 0, int)
BOX = Kind(
    "four finite numbers", lambda v: isinstance(v, (list, tuple)) and len(v) == 4 and all(map(is_number, v)), tuple
)
TERMS = Kind("numbers by name", lambda v: v is None or (isinstance(v, dict) and all(map(is_number, v.values()))))
# Of the JSON form; a reader refuses another number. docs/predict.md describes it.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SceneObject:
    """One object: `box` xyxy in pixels of the graph's frame, its class and the probability of that class."""

    box: tuple[float, float, float, float]
    label: str
    score: float = 1.0


@dataclass(frozen=True)
class SceneRelation:
    """
    One relation: `subject` and `object` are rows of the graph's objects, `score` is the triplet's.

    `terms` holds by name what the predicate's logit is made of, standardised over the predicates, where prediction was
    asked for it.
    """

    subject: int
    object: int
    predicate: str
    score: float = 1.0
    terms: Mapping[str, float] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class SceneGraph:
    """
    Objects and relations of one image of (width, height) `size`; relations by falling score.

    `image` is the picture, where there is one: the path of its file, or (h, w, 3) uint8 RGB. It takes no part in
    comparisons.
    """

    size: tuple[int, int]
    objects: list[SceneObject] = field(default_factory=list)
    relations: list[SceneRelation] = field(default_factory=list)
    image: str | np.ndarray | None = field(default=None, compare=False, repr=False)

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
        image: str | np.ndarray | None = None,
    ) -> SceneGraph:
        """
        The graph of a model's result.

        Args:
            result: BoxList with `pred_labels` (n,), `pred_scores` (n,) and, of a relation model, `rel_pair_idxs` (m,
                2), `pred_rel_scores` (m, K), `pred_rel_labels` (m,), and perhaps `pred_rel_terms`, (m,) by name.
            objects, predicates: names, background first (DatasetMeta has them).
            size: (width, height) of the frame to express boxes in; by default the result's own.
            max_relations: keep that many of the best.
            min_score: leave out relations with a lower triplet score (predicate x subject x object).
            image: the picture, to be drawn on.
        """
        frame = result if size is None else result.resize(size)
        scores = result.get_field("pred_scores").detach().float().cpu()
        found = _objects(frame, result.get_field("pred_labels"), scores.tolist(), objects)
        relations = []
        if result.has_field("rel_pair_idxs"):
            pairs = result.get_field("rel_pair_idxs").cpu()
            labels = result.get_field("pred_rel_labels").cpu()
            predicate_scores = (
                result.get_field("pred_rel_scores").detach().float().cpu().gather(1, labels[:, None])[:, 0]
            )
            triplet_scores = predicate_scores * scores[pairs[:, 0]] * scores[pairs[:, 1]]
            order = triplet_scores.argsort(descending=True, stable=True)[:max_relations]
            order = order[triplet_scores[order] >= min_score]
            told = result.get_field("pred_rel_terms") if result.has_field("pred_rel_terms") else {}
            terms = {name: values.detach().float().cpu()[order].tolist() for name, values in told.items()}
            rows = zip(pairs[order].tolist(), labels[order].tolist(), triplet_scores[order].tolist(), strict=True)
            relations = [
                SceneRelation(
                    subject,
                    object_,
                    predicates[label],
                    score,
                    {name: values[i] for name, values in terms.items()} or None,
                )
                for i, ((subject, object_), label, score) in enumerate(rows)
            ]
        return cls(frame.size, found, relations, image)

    @classmethod
    def from_ground_truth(cls, target: BoxList, objects: Sequence[str], predicates: Sequence[str]) -> SceneGraph:
        """The graph of ground truth: `labels` (n,) and `relation_tuple` (r, 3) subject, object, predicate."""
        found = _objects(target, target.get_field("labels"), [1.0] * len(target), objects)
        triplets = target.get_field("relation_tuple").tolist() if target.has_field("relation_tuple") else []
        return cls(
            target.size,
            found,
            [SceneRelation(subject, object_, predicates[predicate]) for subject, object_, predicate in triplets],
        )

    def triplets(self) -> list[tuple[str, str, str]]:
        """The relations as (subject label, predicate, object label), in their order."""
        return [(self.objects[r.subject].label, r.predicate, self.objects[r.object].label) for r in self.relations]

    def filtered(
        self,
        *,
        subjects: Collection[str] = (),
        predicates: Collection[str] = (),
        objects: Collection[str] = (),
        min_score: float = 0.0,
        min_object_score: float = 0.0,
        max_relations: int | None = None,
    ) -> SceneGraph:
        """
        The graph with some of its relations.

        Args:
            subjects, predicates, objects: keep relations with one of these names in that place; empty: any.
            min_score: smallest triplet score of a relation.
            min_object_score: smallest score of an object; objects below it go, and their relations with them.
            max_relations: that many of the first of what is left; None: all.
        """
        rows = [row for row, item in enumerate(self.objects) if item.score >= min_object_score]
        place = {row: i for i, row in enumerate(rows)}
        kept = [
            replace(one, subject=place[one.subject], object=place[one.object])
            for one, (subject, predicate, object_) in zip(self.relations, self.triplets(), strict=True)
            if one.score >= min_score
            and one.subject in place
            and one.object in place
            and (not subjects or subject in subjects)
            and (not predicates or predicate in predicates)
            and (not objects or object_ in objects)
        ]
        return replace(self, objects=[self.objects[row] for row in rows], relations=kept[:max_relations])

    def to_dict(self) -> dict[str, Any]:
        """
        Plain values for JSON: {"schema_version", "image", "width", "height", "objects": [{"box", "label", "score"}],
        "relations": [{"subject", "object", "predicate", "score"}]}; "image" is the path of the file or None, and
        relations have "terms" where prediction was asked for them.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "image": self.image if isinstance(self.image, str) else None,
            "width": self.size[0],
            "height": self.size[1],
            "objects": [{**asdict(item), "box": list(item.box)} for item in self.objects],
            "relations": [
                {key: value for key, value in asdict(item).items() if value is not None} for item in self.relations
            ],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SceneGraph:
        """
        The inverse of to_dict; fields that it does not know are left out.

        Raises:
            UserError: a form of another version, a field that is missing or of another kind, a relation of objects that
                are not there.
        """
        version = values.get("schema_version") if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise UserError(
                f"scene graph: schema_version {SCHEMA_VERSION} is read here, found {version}: predict it again"
            )
        width, height, objects, relations = fields(
            values, "scene graph", width=SIDE, height=SIDE, objects=list, relations=list
        )
        row = Kind(f"a row of the {len(objects)} objects", lambda v: is_whole(v) and 0 <= v < len(objects), int)
        ends = {"subject": row, "object": row, "predicate": TEXT, "score": NUMBER, "terms": TERMS}

        def read(what: str, entries: list, make: Callable[..., Any], **kinds: Kind) -> list:
            optional = {"score": 1.0, "terms": None}
            entries = [optional | entry if isinstance(entry, dict) else entry for entry in entries]
            return [make(*fields(entry, f"scene graph, {what}[{i}]", **kinds)) for i, entry in enumerate(entries)]

        things = read("objects", objects, SceneObject, box=BOX, label=TEXT, score=NUMBER)
        return cls((width, height), things, read("relations", relations, SceneRelation, **ends), values.get("image"))

    def to_json(self) -> str:
        """As text: to_dict, which from_dict reads."""
        return to_json(self)

    def to_networkx(self) -> nx.MultiDiGraph:
        """One node per object, one edge per relation, as visualization.to_networkx has it."""
        return to_networkx(self)

    def draw(self, image: np.ndarray | None = None, *, max_relations: int = 12) -> np.ndarray:
        """
        The picture, a new one, with boxes, and the best relations as arrows.

        Args:
            image: (h, w, 3) uint8 RGB; None: the graph's own, read from its file again where it came from one.
            max_relations: that many of the first, for more cannot be read.
        Raises:
            UserError: there is no picture, or its file is gone.
        """
        return draw_graph(self._picture() if image is None else image, self, max_relations=max_relations)

    def _picture(self) -> np.ndarray:
        if self.image is None:
            raise UserError("scene graph: it knows no picture; give one, draw(image), (h, w, 3) uint8 RGB")
        if not isinstance(self.image, str):
            return self.image
        return read_image(self.image, upright=True).permute(1, 2, 0).contiguous().numpy()


def _objects(frame: BoxList, labels: Tensor, scores: list[float], names: Sequence[str]) -> list[SceneObject]:
    boxes = frame.convert("xyxy").bbox.detach().cpu().tolist()
    return [
        SceneObject(tuple(box), names[label], score)
        for box, label, score in zip(boxes, labels.tolist(), scores, strict=True)
    ]
