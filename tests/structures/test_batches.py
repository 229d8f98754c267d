"""ImageList, PairBatch and RelationOutput."""

from dataclasses import replace

import pytest
import torch

from maskrcnn_benchmark.structures.image_list import ImageList, to_image_list
from maskrcnn_benchmark.structures.relation import PairBatch, RelationOutput


def test_images_are_padded_right_and_below_with_zeros():
    images = to_image_list([torch.ones(3, 4, 7), torch.ones(3, 6, 5)], size_divisibility=4)
    assert images.tensors.shape == (2, 3, 8, 8) and images.image_sizes == [(7, 4), (5, 6)]
    assert images.tensors.sum() == 3 * (28 + 30)
    assert images.tensors[0, :, :4, :7].all() and images.tensors[1, :, :6, :5].all()
    assert to_image_list([torch.ones(3, 4, 7), torch.ones(3, 6, 5)]).tensors.shape == (2, 3, 6, 7)
    assert to_image_list(images) is images


def test_image_lists_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one"):
        to_image_list([])
    with pytest.raises(ValueError, match=r"\(1, 4, 4\)"):
        to_image_list([torch.zeros(1, 4, 4)])
    with pytest.raises(ValueError, match="canvas"):
        ImageList(torch.zeros(1, 3, 4, 4), [(5, 4)])


def pair_batch(**changes):
    values = {
        "boxes": torch.zeros(3, 4),
        "image_sizes": [(10, 10), (20, 20)],
        "num_objects": [2, 1],
        "pair_index": torch.tensor([[0, 1], [1, 0]]),
        "num_pairs": [2, 0],
        "roi_features": torch.zeros(3, 8),
        "union_features": torch.zeros(2, 8),
    }
    return PairBatch(**(values | changes))


def test_a_pair_batch_checks_every_length():
    batch = pair_batch()
    assert batch.object_labels is None and batch.spatial_features is None
    for name, value, found in [
        ("boxes", torch.zeros(3, 5), r"\(3, 5\)"),
        ("pair_index", torch.zeros(2, 3), r"\(2, 3\)"),
        ("num_objects", [2, 2], r"\[2, 2\]"),
        ("num_pairs", [2], r"\[2\]"),
        ("roi_features", torch.zeros(2, 8), r"roi_features .*\(2, 8\).*3 entities"),
        ("union_features", torch.zeros(3, 8), r"union_features .*\(3, 8\).*2 pairs"),
        ("rel_labels", torch.zeros(1), "rel_labels"),
        ("object_logits", torch.zeros(4, 9), "object_logits"),
        ("related", [torch.zeros(2, 2), torch.zeros(2, 2)], "related"),
    ]:
        with pytest.raises(ValueError, match=found):
            replace(batch, **{name: value})


def test_a_batch_without_pairs_or_objects_is_legal():
    empty = pair_batch(
        boxes=torch.zeros(0, 4), num_objects=[0, 0], pair_index=torch.zeros(0, 2), num_pairs=[0, 0],
        roi_features=torch.zeros(0, 8), union_features=torch.zeros(0, 8),
    )  # fmt: skip
    assert len(empty.pair_index) == 0


def test_relation_output_refuses_losses_that_are_no_number():
    RelationOutput(torch.zeros(2, 3), torch.zeros(1, 4), {"loss": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="'loss'"):
        RelationOutput(torch.zeros(2, 3), torch.zeros(1, 4), {"loss": torch.zeros(2)})
