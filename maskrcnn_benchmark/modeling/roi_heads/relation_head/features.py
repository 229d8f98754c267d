"""
Features of the pairs' union boxes; entities have a box feature extractor.

Names: P pairs, U distinct unions, C channels of the feature maps, r pooling resolution, F width of a feature.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskrcnn_benchmark.layers import pair_masks
from maskrcnn_benchmark.modeling.roi_heads.box_head.extractor import build_box_feature_extractor
from maskrcnn_benchmark.modeling.roi_heads.relation_head.batch_norm import BatchNorm2d
from maskrcnn_benchmark.structures.boxlist_ops import union_boxes
from maskrcnn_benchmark.utils.registry import Registry

# cls.from_config(cfg, in_channels, separate_spatial) -> nn.Module; forward as RelationFeatureExtractor has it
ROI_RELATION_FEATURE_EXTRACTORS = Registry("relation feature extractor")


def distinct_unions(boxes: Tensor, pair_index: Tensor, num_entities: Sequence[int]) -> tuple[list[Tensor], Tensor]:
    """
    The union boxes without their doubles: the union of (i, j) is that of (j, i).

    Args:
        boxes: (N, 4) of the whole batch. pair_index: (P, 2) rows of it; sorted on the CPU, best where it is already.
        num_entities: of each image.
    Returns:
        The distinct boxes of each image, U together, and the row (P,) of the union of each pair among them.
    """
    total, pair_index = len(boxes) + 1, pair_index.cpu()  # beyond every row, and not 0 without a box
    low, high = pair_index.min(dim=1).values, pair_index.max(dim=1).values
    keys, row = torch.unique(low * total + high, return_inverse=True)  # ascending: image by image
    first = keys // total
    distinct = torch.stack([first, keys - first * total], dim=1).to(boxes.device, non_blocking=True)
    unions = union_boxes(boxes[distinct[:, 0]], boxes[distinct[:, 1]])
    row = row.to(boxes.device, non_blocking=True)
    if len(num_entities) == 1:  # nothing to count, so that a graph of one image can be traced
        return [unions], row
    ends = torch.as_tensor(num_entities, dtype=torch.long).cumsum(0) * total
    counts = torch.searchsorted(keys, ends).diff(prepend=torch.zeros(1, dtype=torch.long))
    return list(unions.split(counts.tolist())), row


class MaskEmbedding(nn.Sequential):
    """Spatial masks (P, 2, 4r − 1, 4r − 1) -> (P, C, r, r); published as `rect_conv`."""

    def __init__(self, channels: int):
        super().__init__(
            nn.Conv2d(2, channels // 2, kernel_size=7, stride=2, padding=3),
            nn.ReLU(inplace=True),
            BatchNorm2d(channels // 2, momentum=0.01),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            nn.Conv2d(channels // 2, channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            BatchNorm2d(channels, momentum=0.01),
        )


@ROI_RELATION_FEATURE_EXTRACTORS.register("RelationFeatureExtractor")
class RelationFeatureExtractor(nn.Module):
    """
    Features of pairs: the union box pooled and reduced, the two spatial masks added, then the box extractor's layers.

    Pooling and reduction are done once per unordered pair; only the masks tell (i, j) from (j, i).
    """

    def __init__(
        self,
        *,
        feature_extractor: nn.Module,
        channels: int,
        resolution: int,
        att_feature_extractor: nn.Module | None = None,
        separate_spatial: bool = False,
    ):
        """
        Args:
            feature_extractor, att_feature_extractor: box feature extractors, whose features lie side by side; the
                second for ATTRIBUTE_ON.
            channels, resolution: C and r of a pooled map.
            separate_spatial: masks become features of their own instead of being added.
        """
        super().__init__()
        self.feature_extractor = feature_extractor
        self.att_feature_extractor = att_feature_extractor
        self.mask_resolution = 4 * resolution - 1
        self.rect_conv = MaskEmbedding(channels)
        self.out_channels = feature_extractor.out_channels + (
            att_feature_extractor.out_channels if att_feature_extractor else 0
        )
        self.spatial_fc = None
        if separate_spatial:
            hidden = self.out_channels // 2
            self.spatial_fc = nn.Sequential(
                nn.Linear(channels * resolution**2, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, self.out_channels),
                nn.ReLU(inplace=True),
            )
            for layer in (self.spatial_fc[0], self.spatial_fc[2]):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                nn.init.zeros_(layer.bias)

    @classmethod
    def from_config(cls, cfg, in_channels: int, separate_spatial: bool = False) -> "RelationFeatureExtractor":
        """Reads ATTRIBUTE_ON, POOLING_ALL_LEVELS and the box head's POOLER_RESOLUTION."""
        head = cfg.MODEL.ROI_RELATION_HEAD
        attributes = cfg.MODEL.ATTRIBUTE_ON

        def extractor() -> nn.Module:
            return build_box_feature_extractor(
                cfg, in_channels, half_out=attributes, all_levels=head.POOLING_ALL_LEVELS
            )

        return cls(
            feature_extractor=extractor(),
            channels=in_channels,
            resolution=cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION,
            att_feature_extractor=extractor() if attributes else None,
            separate_spatial=separate_spatial,
        )

    def forward(
        self, features: Sequence[Tensor], boxes: Tensor, sizes: Tensor, num_entities: Sequence[int], pair_index: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """
        Args:
            features: feature maps of the batch, one for each level.
            boxes: (N, 4) xyxy of all entities, image by image; num_entities says how many of each image.
            sizes: (N, 2) width and height of each entity's unpadded image.
            pair_index: (P, 2) subject and object, rows of boxes; best on the CPU.
        Returns:
            Union features (P, F), and spatial features (P, F) or None.
        """
        unions, row = distinct_unions(boxes, pair_index, num_entities)
        subject, obj = pair_index.to(boxes.device, non_blocking=True).unbind(1)
        masks = pair_masks(boxes[subject], boxes[obj], sizes[subject], self.mask_resolution)
        masks = self.rect_conv(masks.to(self.rect_conv[0].weight.dtype))  # (P, C, r, r)
        parts = []
        for extractor in (self.feature_extractor, self.att_feature_extractor):
            if extractor is not None:
                pooled = extractor.pooler(features, unions)[row]
                parts.append(extractor.embed(pooled if self.spatial_fc is not None else pooled + masks))
        spatial = self.spatial_fc(masks.flatten(1)) if self.spatial_fc is not None else None
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0], spatial
