"""The frequency bias by labels and by label distributions, against plain sums."""

import numpy as np
import torch

from maskrcnn_benchmark.data.meta import DatasetMeta
from maskrcnn_benchmark.modeling.roi_heads.relation_head.frequency_bias import FrequencyBias


def toy_bias():
    torch.manual_seed(0)
    bias = FrequencyBias(torch.zeros(4, 4, 3))
    torch.nn.init.normal_(bias.obj_baseline.weight)
    return bias


def test_labels_pick_the_row_of_their_couple():
    bias = toy_bias()
    labels, pairs = torch.tensor([1, 3, 2]), torch.tensor([[0, 1], [2, 0]])
    want = torch.stack([bias.obj_baseline.weight[1 * 4 + 3], bias.obj_baseline.weight[2 * 4 + 1]])
    torch.testing.assert_close(bias.by_labels(labels, pairs), want)


def test_probabilities_weigh_every_row_and_chunks_do_not_matter():
    bias = toy_bias()
    probabilities = torch.rand(5, 4).softmax(1)
    pairs = torch.tensor([[i, j] for i in range(5) for j in range(5) if i != j])
    want = [
        sum(
            probabilities[i, s] * probabilities[j, o] * bias.obj_baseline.weight[s * 4 + o]
            for s in range(4)
            for o in range(4)
        )
        for i, j in pairs.tolist()
    ]
    torch.testing.assert_close(bias.by_probabilities(probabilities, pairs), torch.stack(want))
    torch.testing.assert_close(bias.by_probabilities(probabilities, pairs, chunk=3), torch.stack(want))
    assert bias.by_probabilities(probabilities, pairs[:0]).shape == (0, 3)


def test_it_starts_from_log_frequencies():
    counts = np.zeros((2, 2, 3))
    counts[1, 1] = [0, 6, 2]
    meta = DatasetMeta(
        objects=["__background__", "dog"],
        predicates=["__background__", "on", "near"],
        fg_matrix=counts,
        bg_matrix=np.full((2, 2), 1),
    )
    row = FrequencyBias(meta.frequency_table()).by_labels(torch.tensor([1]), torch.tensor([[0, 0]]))
    want = np.log(np.array([2, 6, 2]) / 10 + 1e-3)  # background counts one more than its pairs
    torch.testing.assert_close(row[0].double(), torch.from_numpy(want), rtol=1e-6, atol=1e-6)


def test_without_statistics_it_starts_at_zero():
    meta = DatasetMeta(objects=["__background__", "dog"], predicates=["__background__", "on"])
    assert not FrequencyBias(meta.frequency_table()).obj_baseline.weight.any()
