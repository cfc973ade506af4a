"""Latent variables of noisy data, and the clean data that they and the noisy ones tell of.

Given z the noisy datum has a density in closed form, and so has the mean of the clean one
(`Gaussian.of_noisy`); what is left is to find z.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from fastepll._validation.model_arrays import Array
from fastepll.models.gaussians import Gaussians, log_standard
from fastepll.priors._vae.likelihoods import Gaussian
from fastepll.priors._vae.networks import Autoencoder

STARTS = (1.0, 0.5, 0.0)  # parts of the encoder's mean of the noisy datum
HALVINGS = 4  # of a step


class NoisyData:
    """Data y (n, d) with white noise of a variance, to an autoencoder of real data."""

    def __init__(self, network: Autoencoder, y: Array, variance: float) -> None:
        self.network, self.y, self.variance = network, torch.from_numpy(y), variance
        if not isinstance(network.likelihood, Gaussian):
            raise TypeError("the noise must be that of real data")
        self.likelihood = network.likelihood

    def given(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log p(y, z) (n, s), and the mean clean data (n, s, d), for z (n, s, k)."""
        out = self.network.decoder(z)
        log, clean = self.likelihood.of_noisy(self.y[:, None], out, self.variance)
        prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        return log + prior, clean

    def precision(self, z: torch.Tensor) -> torch.Tensor:
        """Positive definite stand-in (n, k, k) for the curvature of -log p(y, z) at z (n, k)."""
        decoder = self.network.decoder
        eye = torch.eye(z.shape[1], dtype=z.dtype)
        return eye + self.likelihood.information(decoder(z), decoder.slopes(z), self.variance)

    def mode(self, steps: int) -> tuple[Array, Array]:
        """Most probable z (n, k) that damped scoring finds, and their clean data (n, d)."""
        with torch.no_grad():
            z = self.network.encode(self.y)[0][:, None] * torch.tensor(STARTS)[:, None]
            value, clean = self.given(z)
            best = value.argmax(1)
            rows = torch.arange(len(best))
            z, value, clean = z[rows, best], value[rows, best], clean[rows, best]
        for _ in range(steps):
            at = z[:, None].clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.given(at)[0].sum(), at)
            with torch.no_grad():
                move = torch.linalg.solve(self.precision(z), slope.transpose(1, 2))[:, :, 0]
                parts = 0.25 ** torch.arange(HALVINGS, dtype=z.dtype)
                tried = z[:, None] + parts[:, None] * move[:, None]
                reached, found = self.given(tried)
                top, best = reached.max(1)
                better = top > value
                z = torch.where(better[:, None], tried[rows, best], z)
                clean = torch.where(better[:, None], found[rows, best], clean)
                value = torch.where(better, top, value)
        return z.numpy(), clean.numpy()

    def mean(self, steps: int, n_samples: int, rng: np.random.Generator) -> Array:
        """Mean clean data (n, d), by importance sampling around the mode."""
        z, _ = self.mode(steps)
        with torch.no_grad():
            precision = self.precision(torch.from_numpy(z)).numpy()
            around = Gaussians(z, np.linalg.cholesky(np.linalg.inv(precision)))
            noise = rng.standard_normal((len(z), n_samples, z.shape[1]))
            value, clean = self.given(torch.from_numpy(around.at(noise)))
            weights = torch.softmax(value - torch.from_numpy(log_standard(noise)), 1)
            return np.asarray((weights[..., None] * clean).sum(1).numpy())
