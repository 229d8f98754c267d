"""The VAE over a bank of prototypes."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.blocks import standardise
from maskrcnn_benchmark.modeling.roi_heads.relation_head.prototypes.vae import PrototypeVAE


def test_the_sample_is_the_mean_at_test_and_noisy_in_training():
    torch.manual_seed(0)
    vae, x = PrototypeVAE(6, 3), torch.randn(4, 6)
    vae.eval()
    encoded = vae.encode(x)
    assert torch.equal(encoded.sample, encoded.mean)
    vae.train()
    assert not torch.equal(vae.encode(x).sample, vae.encode(x).sample)


def test_divergence_is_that_of_normal_distributions():
    torch.manual_seed(0)
    vae, x = PrototypeVAE(6, 3).eval(), torch.randn(4, 6)
    encoded = vae.encode(x)
    expected = kl_divergence(Normal(encoded.mean, (0.5 * encoded.log_variance).exp()), Normal(0.0, 1.0)).mean()
    assert vae.fit(x)[2].item() == pytest.approx(expected.item(), rel=1e-5)


def test_reconstruction_beats_the_mean_vector():
    torch.manual_seed(0)
    bank = torch.randn(20, 64) + 5.0
    bank = standardise(bank, bank.mean(0))
    vae = PrototypeVAE(64, 16)
    optimizer = torch.optim.SGD(vae.parameters(), lr=0.5, momentum=0.9)
    for _ in range(300):
        _, reconstruction, divergence = vae.fit(bank)
        optimizer.zero_grad()
        (reconstruction + 0.01 * divergence).backward()
        optimizer.step()
    vae.eval()
    with torch.no_grad():
        error = (vae.decode(vae.encode(bank).mean) - bank).square().mean()
    assert error < 0.5 * (bank - bank.mean(0)).square().mean()


def test_standardised_rows_are_directions_from_the_centre():
    rows = torch.tensor([[3.0, 1.0], [1.0, 1.0]])
    torch.testing.assert_close(standardise(rows, torch.tensor([1.0, 1.0])), torch.tensor([[2.0**0.5, 0.0], [0.0, 0.0]]))
