"""SPLN's variational autoencoders (Kingma and Welling, ICLR 2014), with published layers and parameter names."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskrcnn_benchmark.modeling.averaging import mean_over_processes

SLOPE = 0.1


class Encoder(nn.Module):
    """(n, V) -> mean and logarithm of the variance of the latent variable, (n, L) each."""

    def __init__(self, input_dim: int, latent_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, input_dim)
        self.fc2 = nn.Linear(input_dim, input_dim // 2)
        self.fc3 = nn.Linear(input_dim // 2, 2 * latent_dim)
        self.linear_means = nn.Linear(2 * latent_dim, latent_dim)
        self.linear_log_var = nn.Linear(2 * latent_dim, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in (self.fc1, self.fc2, self.fc3):
            x = F.leaky_relu(layer(x), SLOPE)
        return self.linear_means(x), self.linear_log_var(x)


class Decoder(nn.Module):
    """(n, L) -> (n, V)."""

    def __init__(self, input_dim: int, latent_dim: int):
        super().__init__()
        self.fc0 = nn.Linear(latent_dim, 2 * latent_dim)
        self.fc1 = nn.Linear(2 * latent_dim, input_dim // 2)
        self.fc2 = nn.Linear(input_dim // 2, input_dim)
        self.fc3 = nn.Linear(input_dim, input_dim)

    def forward(self, z: Tensor) -> Tensor:
        for layer in (self.fc0, self.fc1, self.fc2):
            z = F.leaky_relu(layer(z), SLOPE)
        return self.fc3(z)


class VAE(nn.Module):
    """What can be said of vectors of width V in a latent variable of width L."""

    def __init__(self, input_dim: int, latent_dim: int, *, noise_at_test: bool = False):
        """Widths V and L. noise_at_test: the latent variable is drawn in evaluation, too, as released code does."""
        super().__init__()
        self.noise_at_test = noise_at_test
        self.encoder = Encoder(input_dim, latent_dim)
        self.decoder = Decoder(input_dim, latent_dim)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        (n, V) -> what the latent variable restores of it (n, V), and its mean and log-variance (n, L). In training it
        is drawn with `torch.randn_like`, in evaluation it is its mean, so that the same input has the same result.
        """
        mean, log_variance = self.encoder(x)
        latent = mean
        if self.training or self.noise_at_test:
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(latent), mean, log_variance


def vae_loss(x: Tensor, restored: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """
    Mean over the rows of all processes of the distance from a row to its restoration plus the Kullback-Leibler
    divergence of its latent variable, in float32. (n, V), (n, V), (n, L), (n, L) -> one number.
    """
    x, restored, mean, log_variance = (values.float() for values in (x, restored, mean, log_variance))
    distance = (x - restored).norm(dim=1)
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
    return mean_over_processes((distance + divergence).sum(), len(x))
