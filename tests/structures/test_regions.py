"""Regions: rows of a batch, and features that lie in files."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.structures.bounding_box import BoxList
from maskrcnn_benchmark.structures.regions import CachedRegions

COUNTS, WIDTH = (3, 0, 2), 4


def image(n, spatial):
    rng = np.random.default_rng(n)
    arrays = {"roi_features": (n,), "union_features": (n * n,)} | ({"spatial_features": (n * n,)} if spatial else {})
    boxes = BoxList(torch.rand(n, 4), (20, 10))
    boxes.add_field("labels", torch.arange(n))
    made = {name: rng.normal(size=(*rows, WIDTH)).astype(np.float16) for name, rows in arrays.items()}
    return CachedRegions([boxes], [made])


@pytest.mark.parametrize("spatial", [False, True])
def test_cached_features_are_those_of_the_entities_and_pairs_asked_for(spatial):
    parts = [image(n, spatial) for n in COUNTS]
    regions = CachedRegions.joined(parts)
    pairs = [torch.tensor([[0, 2], [2, 1]]), torch.zeros(0, 2, dtype=torch.long), torch.tensor([[1, 0]])]
    found = regions.pair_features(pairs)
    wanted = [(0, 2), (0, 7), (2, 2)]  # image, row i·n + j
    assert found.union.dtype == torch.float32
    for name, values in (("union_features", found.union), ("spatial_features", found.spatial if spatial else None)):
        if values is not None:
            rows = np.stack([parts[i].arrays[0][name][row] for i, row in wanted])
            np.testing.assert_array_equal(values.numpy(), rows.astype(np.float32))
    assert (found.spatial is not None) == spatial
    entities = np.concatenate([part.arrays[0]["roi_features"] for part in parts])
    np.testing.assert_array_equal(regions.entity_features().numpy(), entities.astype(np.float32))


def test_rows_of_images_become_rows_of_the_batch():
    regions = CachedRegions.joined(image(n, False) for n in COUNTS)
    none = torch.zeros(0, 2, dtype=torch.long)
    assert regions.counts == [3, 0, 2] and regions.sizes == [(20, 10)] * 3 and regions.boxes.shape == (5, 4)
    assert regions.batch_rows([torch.tensor([[2, 0]]), none, torch.tensor([[1, 0]])]).tolist() == [[2, 0], [4, 3]]


def test_a_field_that_one_image_lacks_is_none():
    regions = CachedRegions.joined(image(n, False) for n in COUNTS)
    assert regions.field("labels").tolist() == [0, 1, 2, 0, 1]
    regions.entities[1] = regions.entities[1].copy_with_fields()
    assert regions.field("labels") is None
