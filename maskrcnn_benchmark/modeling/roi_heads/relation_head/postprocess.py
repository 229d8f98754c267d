"""From logits to scene graphs: labels, scores and boxes of the entities, predicates sorted by triplet score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.layers import greedy_labels
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground
from maskrcnn_benchmark.structures.bounding_box import BoxList


@dataclass(frozen=True, kw_only=True)
class RelationPostProcessor:
    """
    Turns a predictor's logits into one BoxList per image with the fields of a relation result.

    Attributes:
        task: in SGDet labels are assigned greedily and each box becomes the one regressed for its label.
        nms_threshold: IoU of that assignment.
    """

    task: Task
    nms_threshold: float

    def __call__(
        self,
        entity_logits: Tensor,
        relation_logits: Tensor,
        pairs: Sequence[Tensor],
        proposals: Sequence[BoxList],
        terms: Mapping[str, Tensor] | None = None,
    ) -> list[BoxList]:
        """
        Args:
            entity_logits: (N, O). relation_logits: (P, K).
            pairs: (p, 2) of each image, rows of its own entities.
            proposals: the entities of each image; in SGDet with field `boxes_per_cls` (n, O, 4).
            terms: (P, K) by name, what the relation logits are made of.
        Returns:
            A BoxList per image: pred_labels (n,), pred_scores (n,), rel_pair_idxs (p, 2), pred_rel_scores (p, K) with
            background, pred_rel_labels (p,), the last three by descending product of predicate, subject and object
            score. With terms also pred_rel_terms: by name (p,) the term of the predicate in pred_rel_labels.
        """
        counts = [len(p) for p in pairs]
        entities = entity_logits.float().softmax(dim=1).split([len(p) for p in proposals])
        predicates = relation_logits.float().softmax(dim=1).split(counts)
        parts = {name: values.float().split(counts) for name, values in (terms or {}).items()}
        per_image = [{name: part[i] for name, part in parts.items()} for i in range(len(pairs))]
        return [self._one_image(*own) for own in zip(entities, predicates, pairs, proposals, per_image, strict=True)]

    def _one_image(
        self, entities: Tensor, predicates: Tensor, pairs: Tensor, proposals: BoxList, terms: Mapping[str, Tensor]
    ) -> BoxList:
        boxes = proposals.bbox
        if self.task.uses_gt_boxes:
            labels = best_foreground(entities)
        else:
            per_class = proposals.get_field("boxes_per_cls")
            labels = greedy_labels(entities, per_class.float(), self.nms_threshold)
            boxes = per_class[torch.arange(len(labels), device=labels.device), labels]
        scores = entities.gather(1, labels.unsqueeze(1)).squeeze(1)

        best, predicate = predicates[:, 1:].max(dim=1)
        triplets = best * scores[pairs[:, 0]] * scores[pairs[:, 1]]
        order = triplets.argsort(descending=True, stable=True)
        result = BoxList(boxes, proposals.size, mode="xyxy")
        result.add_field("pred_labels", labels)
        result.add_field("pred_scores", scores)
        result.add_field("rel_pair_idxs", pairs[order])
        result.add_field("pred_rel_scores", predicates[order])
        result.add_field("pred_rel_labels", predicate[order] + 1)
        if terms:
            of_predicate = {name: values.gather(1, predicate[:, None] + 1)[:, 0] for name, values in terms.items()}
            result.add_field("pred_rel_terms", {name: values[order] for name, values in of_predicate.items()})
        return result
