"""Regions computed from the feature maps of a batch."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import BoxFeatureExtractor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.labels import entity_sizes
from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.regions import PairFeatures, Regions
from maskrcnn_benchmark.utils.errors import UserError


class LiveRegions(Regions):
    """
    Pools and embeds what is asked for.

    Args:
        maps: feature maps of the batch, (B, C, H_l, W_l) for each level.
        entities: the boxes of each image; where they bring `features` (n, F) along, from a file of proposals, these
            are the entities' features.
        box_extractors: of the entities; the columns of the second, if there is one (ATTRIBUTE_ON), come after the
            first's.
        union_extractor: of the pairs; a RelationFeatureExtractor.
    """

    def __init__(
        self,
        maps: Sequence[Tensor],
        entities: Sequence[BoxList],
        *,
        box_extractors: Sequence[BoxFeatureExtractor],
        union_extractor: nn.Module,
    ):
        self.maps, self.entities = maps, list(entities)
        self.box_extractors, self.union_extractor = box_extractors, union_extractor

    def with_entities(self, entities: Sequence[BoxList]) -> "LiveRegions":
        """The same images with other entities."""
        other = copy.copy(self)
        other.entities = list(entities)
        return other

    def entity_features(self) -> Tensor:
        """(N, F). UserError: features of a file are not as wide as the extractors' own."""
        read = self.field("features")
        if read is None:
            parts = [extractor(self.maps, self.entities) for extractor in self.box_extractors]
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        width = sum(extractor.out_channels for extractor in self.box_extractors)
        if read.size(1) != width:
            raise UserError(
                f"DATASETS.PROPOSALS: features are {read.size(1)} wide, the relation head's {width}; leave the array"
                " out"
            )
        return read

    def pair_features(self, pairs: Sequence[Tensor]) -> PairFeatures:
        """As of Regions."""
        boxes = self.boxes
        sizes = entity_sizes(self.sizes, self.counts, boxes)
        return PairFeatures(*self.union_extractor(self.maps, boxes, sizes, self.counts, self.batch_rows(pairs)))
