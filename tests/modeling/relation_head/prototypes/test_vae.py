"""SPLN's VAE: its start, its loss against distributions of torch, and that it learns to restore."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.vae import VAE, vae_loss


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return VAE(64, 16)


def test_it_starts_with_small_weights_and_no_bias(vae):
    for name, value in vae.state_dict().items():
        assert (value == 0).all() if name.endswith("bias") else value.std().item() == pytest.approx(0.02, rel=0.1), name


def test_the_loss_is_a_distance_and_a_divergence_of_normal_distributions():
    generator = torch.Generator().manual_seed(1)
    x, restored = torch.randn(5, 8, generator=generator), torch.randn(5, 8, generator=generator)
    mean, log_variance = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    divergence = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(dim=1)
    expected = torch.cdist(x[:, None], restored[:, None]).mean() + divergence.mean()
    assert vae_loss(x, restored, mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-5)
    assert vae_loss(x[:0], restored[:0], mean[:0], log_variance[:0]) == 0


def test_it_learns_to_restore_better_than_the_mean(vae):
    rows = 5 * torch.randn(20, 2) @ torch.randn(2, 64)  # two numbers say all of a row
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        vae_loss(rows, *vae(rows)).backward()
        optimizer.step()
    with torch.no_grad():
        restored, _, _ = vae.eval()(rows)
    assert (restored - rows).square().mean() < 0.5 * (rows - rows.mean(dim=0)).square().mean()
