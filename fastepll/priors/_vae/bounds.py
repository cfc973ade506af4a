"""Bounds of log p(x) with gradients in the weights of an autoencoder, in torch."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from fastepll.priors._vae.networks import Autoencoder
from fastepll.priors._vae.objective import Objective


class Drawn(NamedTuple):
    """Latent variables of a batch, drawn from the encoder.

    Attributes
    ----------
    mean, log_scale : tensor, shape (n, k)
    z, noise : tensor, shape (n, s, k)
        mean + scale noise, and the noise.
    """

    mean: torch.Tensor
    log_scale: torch.Tensor
    z: torch.Tensor
    noise: torch.Tensor

    def divergence(self) -> torch.Tensor:
        """KL(q(z | x) ‖ p(z)), (n,)."""
        square = self.mean.square() + (2 * self.log_scale).exp()
        return (0.5 * (square - 1) - self.log_scale).sum(-1)

    def log_ratio(self) -> torch.Tensor:
        """Log p(z) - log q(z | x), (n, s)."""
        change = 0.5 * (self.noise.square() - self.z.square())
        return (change + self.log_scale[:, None]).sum(-1)

    def log_density(self) -> torch.Tensor:
        """Log q(z | x) of z that have no gradient, (n, s)."""
        noise = (self.z.detach() - self.mean[:, None]) * (-self.log_scale[:, None]).exp()
        log = 0.5 * (noise.square() + math.log(2 * math.pi)) + self.log_scale[:, None]
        return -log.sum(-1)


def draw(
    network: Autoencoder,
    x: torch.Tensor,
    noise: torch.Tensor,
    generator: torch.Generator | None = None,
) -> Drawn:
    """Latent variables of rows x (n, d), by noise (n or 1, s, k)."""
    mean, log_scale = network.encode(x, generator)
    return Drawn(mean, log_scale, mean[:, None] + log_scale.exp()[:, None] * noise, noise)


def importance_bound(network: Autoencoder, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Log mean weight (n,) of the draws that noise (n or 1, s, k) makes."""
    drawn = draw(network, x, noise)
    weights = network.log_likelihood(x, drawn.z) + drawn.log_ratio()
    return torch.logsumexp(weights, 1) - math.log(noise.shape[1])


def loss(
    network: Autoencoder,
    x: torch.Tensor,
    objective: Objective,
    generator: torch.Generator,
    weight: float = 1.0,
) -> torch.Tensor:
    """Negative bound (n,) of rows x (n, d), with the weight of the divergence in it.

    Its gradient in the weights is an unbiased estimate of that of its expectation.
    """
    shape = (len(x), objective.n_samples, network.sizes.n_latents)
    noise = torch.randn(shape, generator=generator, dtype=x.dtype)
    drawn = draw(network, x, noise, generator)
    score = objective.gradient == "score"
    log = network.log_likelihood(x, drawn.z.detach() if score else drawn.z, generator)
    if objective.bound == "iwae":
        weights = log + weight * drawn.log_ratio()
        return math.log(objective.n_samples) - torch.logsumexp(weights, 1)
    value = weight * drawn.divergence() - log.mean(1)
    if score:
        told = log.detach()
        others = (told.sum(1, keepdim=True) - told) / (objective.n_samples - 1)
        pull = ((told - others) * drawn.log_density()).mean(1)
        value = value - (pull - pull.detach())
    return value
