"""PE-Net's three losses against loops in float64."""

import pytest
import torch

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.loss import PrototypeLoss, squared_distances


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


@pytest.mark.parametrize("k, hardest", [(14, 10), (6, 10), (2, 10)])
def test_losses_equal_the_loops(k, hardest):
    generator = torch.Generator().manual_seed(k)
    rows, prototypes = torch.randn(9, 3, generator=generator), torch.randn(k, 3, generator=generator)
    labels = torch.randint(0, k, (9,), generator=generator)
    found = PrototypeLoss(hardest=hardest)(rows, prototypes, labels)
    for name, value in loops(rows, prototypes, labels, hardest).items():
        assert found[name].item() == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_names_take_a_prefix_and_values_a_weight():
    rows, prototypes, labels = torch.randn(4, 3), torch.randn(5, 3), torch.arange(4)
    plain, other = PrototypeLoss()(rows, prototypes, labels), PrototypeLoss(prefix="vis_", weight=2.0)(rows, prototypes, labels)
    assert list(other) == ["vis_l21_loss", "vis_dist_loss2", "vis_loss_dis"]
    assert all(other["vis_" + name] == 2 * value for name, value in plain.items())


def test_no_row_means_no_matching_loss():
    found = PrototypeLoss()(torch.zeros(0, 3), torch.randn(5, 3), torch.zeros(0, dtype=torch.long))
    assert found["loss_dis"] == 0 and torch.isfinite(found["l21_loss"])


def test_distances_are_in_float32_under_autocast_and_never_negative():
    a = torch.randn(4, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = squared_distances(a, a)
    assert found.dtype == torch.float32 and found.min() >= 0
    torch.testing.assert_close(found, (a.float()[:, None] - a.float()[None]).square().sum(-1), rtol=1e-4, atol=1e-4)
