"""What SPLN's parts come to once they have been fitted: weights of the fusion, and the VAEs of both banks."""

import pytest
import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.prototype_embedding import BranchSettings, PrototypeEmbeddingNetwork
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import standardise
from maskrcnn_benchmark.structures.relation import PairBatch

N, K, WIDTH, OBJECTS = 12, 8, 32, 5


def pairs(seed):
    """Pairs of one image whose predicate shows in their union feature, in part, and in their objects' looks, in part."""
    world, draw = torch.Generator().manual_seed(99), torch.Generator().manual_seed(seed)
    union_of, looks_of = torch.rand(K, WIDTH, generator=world), torch.rand(K, WIDTH, generator=world)
    index = (~torch.eye(N, dtype=torch.bool)).nonzero()
    kind = torch.arange(N)[torch.randperm(N, generator=draw)] % K  # of each entity; a pair's predicate is its subject's kind
    labels = torch.where(torch.rand(len(index), generator=draw) < 0.3, 0, kind[index[:, 0]])
    union = union_of[labels] + 0.5 * torch.rand(len(index), WIDTH, generator=draw)
    corners = 60 * torch.rand(N, 2, generator=draw)
    batch = PairBatch(
        boxes=torch.cat([corners, corners + 20], dim=1),
        image_sizes=[(100, 100)],
        num_objects=[N],
        pair_index=index,
        num_pairs=[len(index)],
        roi_features=looks_of[kind] + 0.5 * torch.rand(N, WIDTH, generator=draw),
        union_features=union,
        object_labels=torch.randint(1, OBJECTS, (N,), generator=draw),
        rel_labels=labels,
    )
    return batch, torch.stack([union[labels == k].mean(dim=0) for k in range(K)])


@pytest.fixture(scope="module")
def fitted():
    """An SPLN after 300 updates with the settings of the configs: SGD with momentum, clipped to a norm of 5."""
    torch.manual_seed(0)
    conceptual = torch.randn(K, WIDTH, generator=torch.Generator().manual_seed(7))
    settings = BranchSettings(visual_bank=pairs(0)[1], visual_latent_dim=8, conceptual_bank=conceptual, conceptual_latent_dim=8)
    words = {"object_vectors": torch.randn(OBJECTS, 10), "predicate_vectors": torch.randn(K, 10)}
    model = PrototypeEmbeddingNetwork(task=Task.PREDCLS, in_channels=WIDTH, dim=32, branches=settings, **words).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for update in range(300):
        batch, _ = pairs(update % 10)
        out = model(batch)
        optimizer.zero_grad()
        (F.cross_entropy(out.relation_logits, batch.rel_labels) + sum(out.losses.values())).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def seen(fitted):
    """Fused logits and weights (P, 4) on pairs that training has not seen."""
    weights = []
    hook = fitted.fusion.register_forward_hook(lambda _module, _inputs, found: weights.append(found[1]))
    batch, _ = pairs(1000)
    with torch.no_grad():
        logits = fitted(batch).relation_logits
    hook.remove()
    return batch, logits, weights[0]


def test_the_fitted_model_tells_predicates_of_new_pairs(seen):
    batch, logits, _ = seen
    assert (logits.argmax(dim=1) == batch.rel_labels).float().mean() > 0.8


def test_every_branch_keeps_a_say_and_the_say_differs_between_pairs(seen):
    weights = seen[2]
    assert weights.shape[1] == 4
    assert weights.mean(dim=0).min() > 0.02, f"on average {weights.mean(dim=0).tolist()}"
    assert weights.std(dim=0).min() > 0.005, f"deviations {weights.std(dim=0).tolist()}"


@pytest.mark.parametrize("branch", ["visual", "conceptual"])
def test_the_vae_of_each_bank_restores_it_better_than_its_mean(fitted, branch):
    part = getattr(fitted, branch)
    bank = standardise(part.bank, part.bank.mean(dim=0))
    with torch.no_grad():
        restored = part.vae.decode(part.vae.encode(bank).mean)
    error, of_the_mean = ((found - bank).square().mean() for found in (restored, bank.mean(dim=0)))
    assert error < 0.8 * of_the_mean, f"{error:.3f} against {of_the_mean:.3f}"
