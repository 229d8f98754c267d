"""A variational autoencoder over a bank of prototypes (Kingma and Welling, ICLR 2014)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Posterior of each row: mean (n, L), log_variance (n, L), and a sample (n, L) of it; at test the sample is the mean."""

    mean: Tensor
    log_variance: Tensor
    sample: Tensor


class PrototypeVAE(nn.Module):
    """
    Compresses vectors of width V to a latent variable of width L and back, with one hidden layer of width 2L either way.

    A bank has one row a predicate, too few to be generalised from as they are: in training each row is seen with fresh noise.
    """

    MAX_LOG_VARIANCE = 8.0

    def __init__(self, input_dim: int, latent_dim: int, *, noise: float = 0.1):
        """
        Args:
            input_dim, latent_dim: V, L.
            noise: standard deviation of the noise that augments the bank in training, where its rows have a root mean square of 1.
        """
        super().__init__()
        hidden = 2 * latent_dim
        self.encoder = nn.Sequential(nn.Linear(input_dim, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 2 * latent_dim))
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, input_dim))
        self.noise = noise

    def encode(self, x: Tensor) -> Encoded:
        """(n, V) -> posterior and sample."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        log_variance = log_variance.clamp(-self.MAX_LOG_VARIANCE, self.MAX_LOG_VARIANCE)
        sample = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean) if self.training else mean
        return Encoded(mean=mean, log_variance=log_variance, sample=sample)

    def decode(self, z: Tensor) -> Tensor:
        """(n, L) -> (n, V)."""
        return self.decoder(z)

    def fit(self, bank: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Encodes a bank (K, V), with noise in training.

        Returns:
            latent (K, L) sample; reconstruction loss, the mean squared error against the clean bank; Kullback-Leibler divergence to the
            standard normal, the mean over rows and latent dimensions.
        """
        seen = bank + self.noise * torch.randn_like(bank) if self.training else bank
        posterior = self.encode(seen)
        mean, log_variance = posterior.mean.float(), posterior.log_variance.float()
        reconstruction = F.mse_loss(self.decode(posterior.sample).float(), bank.float())
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        return posterior.sample, reconstruction, divergence
