"""The losses of PE-Net and of SPLN's terms against loops in float64."""

import pytest
import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.loss import (
    matching,
    mean_similarity,
    prototype_losses,
    squared_distances,
)


def loops(rows, prototypes, labels, hardest):
    rows, prototypes, k = rows.double(), prototypes.double(), len(prototypes)
    unit = [c / c.norm() for c in prototypes]
    similarity = sum(torch.stack([a @ b for b in unit]).norm() for a in unit) / k**2
    spread = 0.0
    for c in prototypes:
        spread += max(0.0, 7.0 - sum(sorted(float((c - other) @ (c - other)) for other in prototypes)[:2])) / k
    matching = 0.0
    for row, label in zip(rows, labels.tolist(), strict=True):
        distances = [float((row - c) @ (row - c)) for c in prototypes]
        others = sorted(d for j, d in enumerate(distances) if j != label)[:hardest]
        matching += max(0.0, distances[label] - sum(others) / len(others) + 1.0) / len(rows)
    return {"l21_loss": float(similarity), "dist_loss2": spread, "loss_dis": matching}


@pytest.mark.parametrize("k", [14, 6, 2])
def test_losses_equal_the_loops(k):
    generator = torch.Generator().manual_seed(k)
    rows, prototypes = torch.randn(9, 3, generator=generator), torch.randn(k, 3, generator=generator)
    labels = torch.randint(0, k, (9,), generator=generator)
    found = prototype_losses(rows, prototypes, labels)
    for name, value in loops(rows, prototypes, labels, hardest=10).items():
        assert found[name].item() == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_mean_similarity_is_that_of_different_prototypes_and_moves_each_towards_fixed_others():
    prototypes = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    unit = torch.nn.functional.normalize(prototypes.detach(), dim=1)
    expected = sum(float(unit[i] @ unit[j]) for i in range(5) for j in range(5) if i != j) / 16
    found = mean_similarity(prototypes)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    to_others = (1 - torch.eye(5)).double()
    moved = prototypes.detach().requires_grad_()
    ((torch.nn.functional.normalize(moved, dim=1) @ unit.t()) * to_others).sum().div(16).backward()
    torch.testing.assert_close(prototypes.grad, moved.grad, rtol=1e-4, atol=1e-6)


def test_no_row_means_no_matching_loss():
    assert matching(torch.zeros(0, 3), torch.randn(5, 3), torch.zeros(0, dtype=torch.long)) == 0


def test_distances_are_in_float32_under_autocast_and_never_negative():
    a = torch.randn(4, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = squared_distances(a, a)
    assert found.dtype == torch.float32 and found.min() >= 0
    torch.testing.assert_close(found, (a.float()[:, None] - a.float()[None]).square().sum(-1), rtol=1e-4, atol=1e-4)
