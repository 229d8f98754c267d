"""What a training step of PE-Net and SPLN holds in memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.penet import PENet
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.structures.relation import PairBatch

P, K, D, F, OBJECTS, WORDS = 512, 51, 32, 64, 7, 10
# What comparing every pair with every prototype element by element would need, for the narrowest rows.
TOO_LARGE = P * K * D


class LargestResult(TorchDispatchMode):
    """Sees every tensor that an operation returns, forward and backward, views and broadcasts included."""

    def __init__(self):
        super().__init__()
        self.numel, self.by = 0, ""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.numel() > self.numel:
                self.numel, self.by = leaf.numel(), f"{func} {tuple(leaf.shape)}"
        return result


def pairs():
    generator = torch.Generator().manual_seed(0)
    objects = next(n for n in range(2, P) if n * (n - 1) >= P)
    corners = 60 * torch.rand(objects, 2, generator=generator)
    return PairBatch(
        boxes=torch.cat([corners, corners + 20], dim=1),
        image_sizes=[(100, 100)],
        num_objects=[objects],
        pair_index=(~torch.eye(objects, dtype=torch.bool)).nonzero()[:P],
        num_pairs=[P],
        roi_features=torch.rand(objects, F, generator=generator),
        union_features=torch.rand(P, F, generator=generator),
        object_labels=torch.randint(1, OBJECTS, (objects,), generator=generator),
        object_logits=torch.randn(objects, OBJECTS, generator=generator),
        rel_labels=torch.randint(0, K, (P,), generator=generator),
    )


@pytest.mark.parametrize("kind", [PENet, SPLN])
@pytest.mark.parametrize("task", [Task.PREDCLS, Task.SGCLS])
def test_no_step_makes_a_tensor_of_pairs_by_predicates_by_width(task, kind):
    torch.manual_seed(0)
    words = {"object_vectors": torch.randn(OBJECTS, WORDS), "predicate_vectors": torch.randn(K, WORDS)}
    banks = {
        "visual_bank": torch.randn(K, F),
        "conceptual_bank": torch.randn(K, F),
        "visual_latent_dim": 16,
        "conceptual_latent_dim": 16,
    }
    model = kind(task=task, in_channels=F, dim=D, hidden_dim=16, **words, **(banks if kind is SPLN else {})).train()
    batch = pairs()
    with LargestResult() as largest:
        out = model(batch)
        (torch.nn.functional.cross_entropy(out.relation_logits, batch.rel_labels) + sum(out.losses.values())).backward()
    assert model.rel_embed.weight.grad is not None, "the step went backward, too"
    assert P * K <= largest.numel < TOO_LARGE, f"{largest.by}"


def test_the_check_sees_such_a_tensor_in_either_direction():
    rows, prototypes = torch.randn(P, D, requires_grad=True), torch.randn(K, D)
    with LargestResult() as forward:
        distances = (rows[:, None] - prototypes[None]).square().sum(dim=-1)
    with LargestResult() as backward:
        distances.sum().backward()
    assert forward.numel == backward.numel == TOO_LARGE
