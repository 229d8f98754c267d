"""What SPLN comes to once it has been fitted."""

import pytest
import torch
import torch.nn.functional as F

from maskrcnn_benchmark.config import Task
from maskrcnn_benchmark.modeling.roi_heads.relation_head.predictors.spln import SPLN
from maskrcnn_benchmark.structures.relation import PairBatch

N, K, WIDTH, OBJECTS = 12, 8, 64, 5


def pairs(seed):
    """
    Pairs of one image whose predicate shows in their union feature, in part, and in their objects' looks, in part.
    """
    world, draw = torch.Generator().manual_seed(99), torch.Generator().manual_seed(seed)
    union_of, looks_of = torch.rand(K, WIDTH, generator=world), torch.rand(K, WIDTH, generator=world)
    index = (~torch.eye(N, dtype=torch.bool)).nonzero()
    kind = (
        torch.arange(N)[torch.randperm(N, generator=draw)] % K
    )  # of each entity; a pair's predicate is its subject's kind
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
    banks = {
        "visual_bank": pairs(0)[1],
        "visual_latent_dim": 8,
        "conceptual_bank": conceptual,
        "conceptual_latent_dim": 8,
    }
    words = {"object_vectors": torch.randn(OBJECTS, 10), "predicate_vectors": torch.randn(K, 10)}
    model = SPLN(task=Task.PREDCLS, in_channels=WIDTH, dim=WIDTH // 2, vae_weight=0.1, **banks, **words).train()
    start = {name: getattr(model, name).detach().clone() for name in model.gates.values()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for update in range(300):
        batch, _ = pairs(update % 10)
        out = model(batch)
        optimizer.zero_grad()
        (F.cross_entropy(out.relation_logits, batch.rel_labels) + sum(out.losses.values())).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    return model.eval(), start


def test_the_fitted_model_tells_predicates_of_new_pairs(fitted):
    batch, _ = pairs(1000)
    with torch.no_grad():
        logits = fitted[0](batch).relation_logits
    assert (logits.argmax(dim=1) == batch.rel_labels).float().mean() > 0.8


def test_gates_move_and_no_term_is_shut_out(fitted):
    model, start = fitted
    for name, value in start.items():
        now = getattr(model, name).detach()
        assert (now - value).abs().max() > 1e-3, name
        assert 0.05 < torch.sigmoid(now).mean() < 0.95, name
