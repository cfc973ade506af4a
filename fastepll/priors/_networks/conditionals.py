"""Densities of coordinates, each a mixture given those before it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from fastepll.priors._networks.masked import bounded

DEGREES = 8.0  # of freedom, where a run begins


class Mixtures(NamedTuple):
    """Parameters of them."""

    logits: torch.Tensor
    means: torch.Tensor
    log_scales: torch.Tensor
    log_r: torch.Tensor


class Conditionals(torch.nn.Module):
    """log p(y) = sum_i log p(y_i | y_j, j < i), of one-dimensional mixtures.

    Mixture i is of y_i / r_i, r_i the contrast that the network divides by, with k components of
    Gaussians or, where they have degrees of freedom, of Student's t.

    Parameters
    ----------
    network : module
        Takes y (n, q) to what it adds to logits, means and log scales, (n, 3 k, q), and to log r.
    q, n_mixture : int
        Coordinates, and components k of each mixture.
    student : bool
        Whether components are Student's t.
    """

    def __init__(self, network: torch.nn.Module, q: int, n_mixture: int, *, student: bool) -> None:
        super().__init__()
        self.network = network
        start = torch.zeros(3, n_mixture, q)
        start[1] = 0.1 * torch.randn(n_mixture, q)
        start[2] = torch.linspace(-1.5, 0.8, n_mixture)[:, None] if n_mixture > 1 else 0.0
        self.start = torch.nn.Parameter(start)
        self.log_degrees = (
            torch.nn.Parameter(torch.full((n_mixture, q), math.log(DEGREES))) if student else None
        )

    def mixtures(self, y: torch.Tensor) -> Mixtures:
        """Logits, means and log scales of y / r, each (n, k, q), and log r (n, q)."""
        outputs, log_r = self.network(y)
        found = outputs.unflatten(1, self.start.shape[:2]) + self.start
        return Mixtures(found[:, 0], found[:, 1], bounded(found[:, 2]), log_r)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Log density of rows, (n,)."""
        logits, means, log_scales, log_r = self.mixtures(y)
        z = ((y / log_r.exp())[:, None] - means) / log_scales.exp()
        if self.log_degrees is None:
            parts = -z.square() / 2 - math.log(2 * math.pi) / 2
        else:
            nu = self.log_degrees.exp()
            constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - (nu * math.pi).log() / 2
            parts = constant - (nu + 1) / 2 * torch.log1p(z.square() / nu)
        parts = torch.logsumexp(logits + parts - log_scales, 1) - torch.logsumexp(logits, 1)
        return (parts - log_r).sum(1)

    def complete(self, y: torch.Tensor, begin: int, rng: np.random.Generator) -> torch.Tensor:
        """Draw coordinates from the begin-th on, given those before; the whole network for each."""
        y = y.clone()
        y[:, begin:] = 0
        rows = np.arange(len(y))
        for i in range(begin, y.shape[1]):
            logits, means, log_scales, log_r = (each[..., i] for each in self.mixtures(y))
            shares = torch.softmax(logits, 1).cumsum(1).numpy()
            k = (rng.random((len(y), 1)) * shares[:, -1:] >= shares[:, :-1]).sum(1)
            if self.log_degrees is None:
                noise = rng.standard_normal(len(y))
            else:
                noise = rng.standard_t(self.log_degrees[:, i].exp().numpy()[k])
            drawn = means[rows, k] + log_scales[rows, k].exp() * torch.from_numpy(noise)
            y[:, i] = drawn * log_r.exp()
        return y
