"""What is exported, as modules from tensors to tensors for one image: the relation head, or the way from the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.engine.export.detection import in_canvas, one_image_detections, one_image_proposals
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import best_foreground, entity_sizes
from maskrcnn_benchmark.modeling.roi_heads.relation_head.sampling import overlapping_pairs
from maskrcnn_benchmark.structures.relation import PairBatch

HEAD_OUTPUTS = ("entity_logits", "relation_logits")
GRAPH_OUTPUTS = ("entity_boxes", "entity_labels", "entity_scores", "pairs", "predicate_scores")


def ordered_pairs(n: int, device: torch.device) -> Tensor:
    """All ordered pairs i ≠ j of n entities, row by row, (n·(n − 1), 2), without a count that only numbers tell."""
    place = torch.arange(n * (n - 1), device=device)
    # A tensor, since onnxruntime refuses a division by zero, of nothing too, and a graph cannot ask whether n is 1.
    others = (torch.ones(n, dtype=torch.int64, device=device).sum() - 1).clamp(min=1)
    subject = place // others
    other = place - subject * others
    return torch.stack([subject, other + (other >= subject)], dim=1)


class HeadGraph(nn.Module):
    """A relation predictor as a function of the fields of one image's PairBatch."""

    def __init__(self, predictor: nn.Module, inputs: tuple[str, ...]):
        """inputs: the names of the fields that are given, in their order; image_size in place of image_sizes."""
        super().__init__()
        self.predictor, self.inputs = predictor, inputs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            tensors: boxes (N, 4) xyxy, image_size (2,) width and height, pair_index (P, 2), roi_features (N, F),
                union_features (P, F); then object_labels (N,) in PredCls, else object_logits (N, O), and in SGDet
                boxes_per_class (N, O, 4).
        Returns:
            entity_logits (N, O), relation_logits (P, K).
        """
        fields = dict(zip(self.inputs, tensors, strict=True))
        size = fields.pop("image_size")
        counts = {"num_objects": [fields["boxes"].size(0)], "num_pairs": [fields["pair_index"].size(0)]}
        output = self.predictor(PairBatch(image_sizes=size[None], **counts, **fields))
        return output.entity_logits, output.relation_logits


class ImageGraph(nn.Module):
    """A whole model as a function of one image and what is given of it."""

    def __init__(self, model: nn.Module, task: Task):
        """
        Args:
            model: a GeneralizedRCNN with a relation head, in evaluation.
            task: what is given: boxes and labels (PredCls), boxes (SGCls), nothing (SGDet). A model trained in PredCls
                takes what is not given from its detector, as SceneGraphModel does.
        """
        super().__init__()
        self.model, self.task = model, task
        given = {"boxes": task.uses_gt_boxes, "labels": task.uses_gt_labels}
        self.inputs = ("image", "image_size", *(name for name, there in given.items() if there))

    def forward(
        self, image: Tensor, image_size: Tensor, boxes: Tensor | None = None, labels: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """
        Args:
            image: (3, H, W) uint8 RGB of the size that the network is to see, on its canvas: sides are multiples of
                DATALOADER.SIZE_DIVISIBILITY. image_size: (2,) int64 width and height of the image on it.
            boxes: (N, 4) xyxy in its pixels. labels: (N,) int64.
        Returns:
            GRAPH_OUTPUTS: (n, 4), (n,), (n,), pairs (m, 2), predicate_scores (m, K) with the background first; the last
            two by descending product of predicate, subject and object score.
        """
        maps = self.model.backbone.maps(self._canvas(image, image_size)[None])
        known, scores = self._entities(maps, image_size, boxes, labels)
        relation, pairs = self.model.roi_heads.relation, self._pairs(known["boxes"])
        frame, counts = image_size.to(known["boxes"].dtype)[None], [known["boxes"].size(0)]
        entities = in_canvas(known["boxes"], maps)
        unions, spatial = relation.union_feature_extractor(
            maps, known["boxes"], entity_sizes(frame, counts, known["boxes"]), counts, pairs
        )
        output = relation.predictor(
            PairBatch(
                image_sizes=frame,
                num_objects=counts,
                num_pairs=[pairs.size(0)],
                pair_index=pairs,
                roi_features=relation.regions(maps, [entities]).entity_features(),
                union_features=unions,
                spatial_features=spatial,
                **known,
            )
        )
        if "boxes_per_class" in known:
            entities.add_field("boxes_per_cls", known["boxes_per_class"])
        (found,) = relation.post_processor(output.entity_logits, output.relation_logits, [pairs], [entities])
        fields = [found.get_field(name) for name in ("pred_labels", "pred_scores", "rel_pair_idxs", "pred_rel_scores")]
        fields[1] = fields[1] if scores is None else scores
        return found.bbox.clone(), *fields  # An ONNX graph gives two names to a tensor that it only passes on.

    def _canvas(self, image: Tensor, size: Tensor) -> Tensor:
        """(3, H, W) network input, zeros beyond the image."""
        x = torch.arange(image.size(2), device=image.device) < size[0]
        y = torch.arange(image.size(1), device=image.device) < size[1]
        return self.model.normalizer.normalise(image) * (y[:, None] & x)

    def _entities(
        self, maps: Sequence[Tensor], size: Tensor, boxes: Tensor | None, labels: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """The PairBatch's fields on the entities, and their scores where the relation head does not decide them."""
        if self.task is Task.PREDCLS:
            return {"boxes": boxes, "object_labels": labels}, None
        box_head, per_class = self.model.roi_heads.box, {}
        if self.task is Task.SGCLS:
            logits, _ = box_head.predictor(box_head.feature_extractor(maps, [in_canvas(boxes, maps)]))
            labels = best_foreground(logits)
        else:
            proposals = one_image_proposals(self.model.rpn, maps, size)
            boxes, labels, logits, decoded = one_image_detections(box_head, maps, *proposals, size)
            per_class = {"boxes_per_class": decoded}
        if self.model.task is Task.PREDCLS:
            return {"boxes": boxes, "object_labels": labels}, logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
        return {"boxes": boxes, "object_logits": logits, **per_class}, None

    def _pairs(self, boxes: Tensor) -> Tensor:
        if self.model.roi_heads.relation.test_requires_overlap and not self.model.task.uses_gt_boxes:
            return overlapping_pairs(boxes)
        return ordered_pairs(boxes.size(0), boxes.device)
