"""VCTree's trees: Prim's growth, the binary form, levels, and LSTMs that treat every image as if it were alone."""

import numpy as np
import pytest
import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.tree_lstm import TreeDecoder, TreeLSTM
from maskrcnn_benchmark.modeling.roi_heads.relation_head.context.trees import (
    binary_children,
    grow_forest,
    spanning_parents,
)


def plain_prim(scores):
    """The same tree by looking at every (inside, outside) couple each time."""
    n = len(scores)
    inside, parents = [max(range(n), key=lambda i: (float(np.mean(scores[i])), -i))], [-1] * n
    while len(inside) < n:
        couples = [(scores[i][j], -at, -j) for at, i in enumerate(inside) for j in range(n) if j not in inside]
        _, at, j = max(couples)
        parents[-j] = inside[-at]
        inside.append(-j)
    return parents, inside


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("coarse", [False, True], ids=["distinct scores", "many equal scores"])
def test_the_tree_is_the_one_that_prim_grows(seed, coarse):
    scores = np.random.default_rng(seed).random((9, 9))
    if coarse:
        scores = np.round(scores * 4) / 4
    parents, order = spanning_parents(scores)
    want_parents, want_order = plain_prim(scores)
    assert parents.tolist() == want_parents
    assert order.tolist() == want_order


def test_first_child_goes_left_and_siblings_hang_on_their_elders():
    parents, order = np.array([-1, 0, 0, 1, 0]), np.array([0, 1, 2, 3, 4])
    assert binary_children(parents, order).tolist() == [[1, -1], [3, 2], [-1, 4], [-1, -1], [-1, -1]]


def test_levels_hold_every_node_once_and_parents_precede_children():
    scores = [torch.rand(n, n, generator=torch.Generator().manual_seed(n)) for n in (4, 1, 6)]
    forest = grow_forest(scores, torch.device("cpu"))
    for levels in (forest.by_depth, forest.by_height):
        assert sorted(torch.cat(levels).tolist()) == list(range(11))
    depth = {int(row): d for d, rows in enumerate(forest.by_depth) for row in rows}
    height = {int(row): h for h, rows in enumerate(forest.by_height) for row in rows}
    for child, parent in enumerate(forest.parents.tolist()):
        if parent < 11:
            assert depth[child] == depth[parent] + 1
            assert height[child] < height[parent]
            assert child in forest.children[parent].tolist()
            assert forest.images[child] == forest.images[parent]
    assert sum(parent == 11 for parent in forest.parents.tolist()) == 3


def test_a_batch_of_trees_equals_the_trees_one_by_one():
    torch.manual_seed(0)
    scores = [torch.rand(n, n) for n in (5, 3)]
    inputs = torch.randn(8, 12)
    lstm, words = TreeLSTM(12, 8, 2, 0.2).eval(), torch.nn.Embedding(6, 4)
    decoder = TreeDecoder(words=words, in_channels=12, hidden=8, dropout=0.2).eval()
    together = grow_forest(scores, inputs.device)
    alone = [grow_forest([s], inputs.device) for s in scores]
    parts = inputs.split([5, 3])
    torch.testing.assert_close(
        lstm(inputs, together), torch.cat([lstm(x, f) for x, f in zip(parts, alone, strict=True)])
    )
    logits, labels = decoder(inputs, together)
    one_by_one = [decoder(x, f) for x, f in zip(parts, alone, strict=True)]
    torch.testing.assert_close(logits, torch.cat([result[0] for result in one_by_one]))
    assert labels.tolist() == torch.cat([result[1] for result in one_by_one]).tolist()
    assert (labels > 0).all()
