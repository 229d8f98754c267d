"""The relation head: pairs, features, predictor, losses or results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import build_box_feature_extractor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.features import ROI_RELATION_FEATURE_EXTRACTORS
from maskrcnn_benchmark.modeling.roi_heads.relation_head.loss import RelationLoss, configured_weights
from maskrcnn_benchmark.modeling.roi_heads.relation_head.postprocess import RelationPostProcessor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.base import (
    ROI_RELATION_PREDICTOR,
    RelationPredictor,
)
from maskrcnn_benchmark.modeling.roi_heads.relation_head.regions import LiveRegions
from maskrcnn_benchmark.modeling.roi_heads.relation_head.sampling import (
    PairSampler,
    SampledPairs,
    all_pairs,
    overlapping_pairs,
)
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.boxlist_ops import on_cpu
from maskrcnn_benchmark.structures.regions import Regions
from maskrcnn_benchmark.structures.relation import PairBatch

LABEL_SMOOTHING = 0.01


class ROIRelationHead(nn.Module):
    """
    Pairs up the entities of each image and predicts what relates them.

    Between sampling and post-processing everything is one flat `PairBatch` for all images together: N entities, P
    pairs.

    Attributes:
        keeps_statistics: the extractors, being frozen, leave the statistics of their norms alone in training, too.
    """

    def __init__(
        self,
        *,
        task: Task,
        sampler: PairSampler,
        box_feature_extractor: nn.Module,
        union_feature_extractor: nn.Module,
        predictor: RelationPredictor,
        loss: RelationLoss,
        post_processor: RelationPostProcessor,
        att_feature_extractor: nn.Module | None = None,
        test_requires_overlap: bool = False,
    ):
        """att_feature_extractor: of ATTRIBUTE_ON. test_requires_overlap: in SGDet only pairs of overlapping boxes."""
        super().__init__()
        self.task, self.sampler = task, sampler
        self.box_feature_extractor = box_feature_extractor
        self.att_feature_extractor = att_feature_extractor
        self.union_feature_extractor = union_feature_extractor
        self.predictor = predictor
        self.loss = loss
        self.post_processor = post_processor
        self.test_requires_overlap = test_requires_overlap
        self.logged: dict[str, Tensor] = {}
        self.shows_terms = self.keeps_statistics = False

    @property
    def extractors(self) -> list[nn.Module]:
        """The feature extractors: the entities', with ATTRIBUTE_ON one more of them, and last that of the unions."""
        parts = (self.box_feature_extractor, self.att_feature_extractor, self.union_feature_extractor)
        return [part for part in parts if part is not None]

    def train(self, mode: bool = True) -> "ROIRelationHead":
        """Training mode for everything but extractors whose norms keep their statistics."""
        super().train(mode)
        for part in self.extractors if self.keeps_statistics else ():
            part.eval()
        return self

    @contextmanager
    def showing_terms(self, shown: bool = True) -> Iterator[None]:
        """Meanwhile results have `pred_rel_terms`, the terms of each relation's score, if the predictor has them."""
        self.shows_terms = shown
        try:
            yield
        finally:
            self.shows_terms = False

    def regions(self, maps: Sequence[Tensor], entities: Sequence[BoxList]) -> LiveRegions:
        """What this head's extractors see of the maps (B, C, H_l, W_l) of each level and the entities of each image."""
        *box_extractors, union_extractor = self.extractors
        return LiveRegions(maps, entities, box_extractors=box_extractors, union_extractor=union_extractor)

    def forward(
        self, regions: Regions, targets: Sequence[BoxList] | None = None
    ) -> tuple[list[BoxList], dict[str, Tensor]]:
        """
        Args:
            regions: the entities of each image and their features.
            targets: ground truth of each image; needed in training.
        Returns:
            In training the entities and the losses by name; else the results and no loss.
        """
        sampled = self.select_pairs(regions.entities, targets)
        pairs = self.describe(regions, sampled)
        output = self.predictor(pairs)
        self.logged = dict(self.predictor.logged)
        if not self.training:
            per_image = [s.pairs.to(output.relation_logits.device, non_blocking=True) for s in sampled]
            terms = output.terms if self.shows_terms else None
            logits = output.entity_logits, output.relation_logits
            return self.post_processor(*logits, per_image, regions.entities, terms), {}
        losses = self.loss(output.relation_logits, pairs.rel_labels, output.entity_logits, pairs.object_labels)
        self.logged |= self.loss.logged
        return regions.entities, {**losses, **output.losses}

    def select_pairs(self, proposals: Sequence[BoxList], targets: Sequence[BoxList] | None) -> list[SampledPairs]:
        """The pairs of each image: drawn in training, all of them at test."""
        if self.training:
            known = on_cpu([*proposals, *targets], ("labels", "relation_tuple", "image_id", "epoch"))
            return list(map(self.sampler, known[: len(proposals)], known[len(proposals) :]))
        if self.test_requires_overlap and not self.task.uses_gt_boxes:
            return [SampledPairs(pairs=overlapping_pairs(p.bbox.float())) for p in on_cpu(proposals, ())]
        return [SampledPairs(pairs=all_pairs(len(p))) for p in proposals]

    def describe(self, regions: Regions, sampled: Sequence[SampledPairs]) -> PairBatch:
        """Gathers what a predictor may use of the whole batch: boxes, pairs, features, what is known of the labels."""
        boxes, chosen = regions.boxes, [s.pairs for s in sampled]
        device = boxes.device
        features = regions.pair_features(chosen)
        return PairBatch(
            boxes=boxes,
            image_sizes=regions.sizes,
            num_objects=regions.counts,
            pair_index=regions.batch_rows(chosen).to(device, non_blocking=True),
            num_pairs=[len(pairs) for pairs in chosen],
            roi_features=regions.entity_features(),
            union_features=features.union,
            spatial_features=features.spatial,
            object_labels=regions.field("labels"),
            object_logits=regions.field("predict_logits"),
            boxes_per_class=regions.field("boxes_per_cls"),
            rel_labels=torch.cat([s.labels for s in sampled]).to(device, non_blocking=True) if self.training else None,
            related=[s.related.to(device, non_blocking=True) for s in sampled] if self.training else None,
        )


def build_roi_relation_head(cfg, meta: DatasetMeta, in_channels: int) -> ROIRelationHead:
    """
    The relation head of a config.

    Args:
        cfg: reads MODEL.ROI_RELATION_HEAD, MODEL.USE_REWEIGHT, MODEL.REWEIGHT_*, MODEL.ROI_HEADS.FG_IOU_THRESHOLD,
            TEST.RELATION, SEED.
        meta: names and statistics of the training data.
        in_channels: C of the feature maps.
    """
    head, task = cfg.MODEL.ROI_RELATION_HEAD, Task.from_cfg(cfg)
    attributes, predictor = cfg.MODEL.ATTRIBUTE_ON, ROI_RELATION_PREDICTOR[head.PREDICTOR]
    box_extractor = build_box_feature_extractor(cfg, in_channels, half_out=attributes)
    att_extractor = build_box_feature_extractor(cfg, in_channels, half_out=True) if attributes else None
    width = box_extractor.out_channels + (att_extractor.out_channels if att_extractor is not None else 0)
    return ROIRelationHead(
        task=task,
        sampler=PairSampler.from_config(cfg),
        box_feature_extractor=box_extractor,
        att_feature_extractor=att_extractor,
        union_feature_extractor=ROI_RELATION_FEATURE_EXTRACTORS[head.FEATURE_EXTRACTOR].from_config(
            cfg, in_channels, separate_spatial=predictor.reads_spatial_features(cfg)
        ),
        predictor=predictor.from_config(cfg, meta, width),
        loss=RelationLoss(
            weights=configured_weights(cfg, meta),
            smoothing=LABEL_SMOOTHING if head.LABEL_SMOOTHING_LOSS else 0.0,
            refine_labels=not task.uses_gt_labels,
        ),
        post_processor=RelationPostProcessor(task=task, nms_threshold=cfg.TEST.RELATION.LATER_NMS_PREDICTION_THRES),
        test_requires_overlap=cfg.TEST.RELATION.REQUIRE_OVERLAP,
    )
