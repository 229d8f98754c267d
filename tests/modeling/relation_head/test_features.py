"""Union features: each unordered pair pooled once, masks by order."""

import pytest
import torch
from torch import nn

from maskrcnn_benchmark.modeling.roi_heads.relation_head.features import (
    RelationFeatureExtractor,
    distinct_unions,
)
from maskrcnn_benchmark.structures.boxlist_ops import union_boxes

CHANNELS, RESOLUTION = 4, 3


class CountingPooler(nn.Module):
    """Stands in for the pooler: a fixed random map of each box's corners; counts the boxes it was given."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(4, CHANNELS * RESOLUTION**2)
        self.seen = 0

    def forward(self, features, boxes):
        assert len(boxes) == len(features[0]), "a tensor of boxes an image"
        boxes = torch.cat(list(boxes))
        self.seen += len(boxes)
        return self.mix(boxes / 100).view(-1, CHANNELS, RESOLUTION, RESOLUTION)


class Extractor(nn.Module):
    def __init__(self, out_channels=6):
        super().__init__()
        self.pooler, self.out_channels = CountingPooler(), out_channels
        self.fc = nn.Linear(CHANNELS * RESOLUTION**2, out_channels)

    def embed(self, pooled):
        return self.fc(pooled.flatten(1))


BOXES = torch.tensor([[0.0, 0, 30, 30], [20, 20, 60, 50], [5, 40, 25, 70], [10, 10, 90, 90], [50, 5, 70, 25]])
SIZES = torch.tensor([[100.0, 80]] * 3 + [[120.0, 100]] * 2)
COUNTS = [3, 0, 2]
PAIRS = torch.tensor([[0, 1], [1, 0], [2, 0], [1, 1], [4, 3], [3, 4]])
MAPS = [torch.zeros(3, CHANNELS, 5, 5)]


def test_union_boxes_hold_both():
    assert distinct_unions(BOXES, PAIRS[:1], COUNTS)[0][0].tolist() == [[0, 0, 60, 50]]


def test_unions_come_once_an_unordered_pair_image_by_image():
    unions, row = distinct_unions(BOXES, PAIRS, COUNTS)
    assert [len(u) for u in unions] == [3, 0, 1]
    assert torch.equal(torch.cat(unions)[row], union_boxes(BOXES[PAIRS[:, 0]], BOXES[PAIRS[:, 1]]))
    assert row[0] == row[1] and row[4] == row[5]


@pytest.mark.parametrize("counts", [[0], [3], []])
def test_no_pair_is_no_union(counts):
    unions, row = distinct_unions(BOXES[: sum(counts)], PAIRS[:0], counts)
    assert [len(u) for u in unions] == [0] * len(counts) and len(row) == 0


def build(**keywords):
    torch.manual_seed(0)
    return RelationFeatureExtractor(
        feature_extractor=Extractor(), channels=CHANNELS, resolution=RESOLUTION, **keywords
    ).eval()


def test_features_are_those_of_pairs_one_by_one():
    extractor = build()
    together, spatial = extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS)
    assert spatial is None and together.shape == (6, 6)
    assert extractor.feature_extractor.pooler.seen == 4
    alone = [extractor(MAPS, BOXES, SIZES, COUNTS, pair[None])[0] for pair in PAIRS]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_order_of_a_pair_shows():
    features, _ = build()(MAPS, BOXES, SIZES, COUNTS, PAIRS)
    assert not torch.allclose(features[0], features[1])


def test_attribute_features_come_after_the_others():
    extractor = build(att_feature_extractor=Extractor(3))
    features, _ = extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS)
    assert features.shape == (6, 9) and extractor.out_channels == 9
    extractor.att_feature_extractor.fc.weight.data.zero_()
    changed, _ = extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS)
    assert torch.equal(features[:, :6], changed[:, :6]) and not torch.equal(features[:, 6:], changed[:, 6:])


def test_separate_spatial_features_leave_the_masks_out_of_the_others():
    features, spatial = build(separate_spatial=True)(MAPS, BOXES, SIZES, COUNTS, PAIRS)
    assert torch.equal(features[0], features[1]) and not torch.equal(spatial[0], spatial[1])
    assert spatial.shape == features.shape and spatial.min() >= 0


def test_gradients_flow_and_no_pair_is_legal_in_training():
    extractor = build().train()
    extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS)[0].sum().backward()
    assert all(p.grad is not None for p in extractor.parameters())
    assert extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS[:0])[0].shape == (0, 6)
    assert extractor(MAPS, BOXES, SIZES, COUNTS, PAIRS[:1])[0].isfinite().all()
