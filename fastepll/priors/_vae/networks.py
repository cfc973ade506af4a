"""Encoder and decoder networks of variational autoencoders, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastepll.priors._vae.likelihoods import LIKELIHOODS, Likelihood
from fastepll.priors._vae.sizes import Sizes

FAINTEST = 1e-3  # contrast that features tell from none, in units of the typical one


class Layers(nn.Module):
    """Hidden layers, all but the first beside a shortcut, and an affine one.

    Attributes
    ----------
    dropout : float
        Share of the hidden units that are left out in training, with a generator.
    """

    dropout = 0.0

    def __init__(self, n_in: int, width: int, depth: int, n_out: int) -> None:
        super().__init__()
        sizes = [n_in, *[width] * depth]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.last = nn.Linear(sizes[-1], n_out)

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Rows (..., n_in) to (..., n_out)."""
        for i, layer in enumerate(self.hidden):
            x = nn.functional.silu(layer(x)) + (x if i else 0)
            if self.training and self.dropout and generator is not None:
                kept = torch.rand(x.shape, generator=generator) >= self.dropout
                x = x * kept / (1 - self.dropout)
        out: torch.Tensor = self.last(x)
        return out

    def slopes(self, x: torch.Tensor) -> torch.Tensor:
        """Derivatives (n, n_in, n_out) of what comes of rows (n, n_in)."""
        slope: torch.Tensor = torch.eye(x.shape[1], dtype=x.dtype).expand(len(x), -1, -1)
        for i, layer in enumerate(self.hidden):
            before = layer(x)
            part = torch.sigmoid(before)
            bend = part * (1 + before * (1 - part))
            x = before * part + (x if i else 0)
            slope = nn.functional.linear(slope, cast("nn.Linear", layer).weight) * bend[:, None] + (
                slope if i else 0
            )
        return slope @ self.last.weight.T


class Autoencoder(nn.Module):
    """Networks of q(z | x), a Gaussian of independent variables, and of p(x | z).

    Parameters
    ----------
    sizes : Sizes
    offset, spread : array, shape (d,)
        The encoder sees (x - offset) / spread.
    """

    offset: torch.Tensor
    spread: torch.Tensor

    def __init__(self, sizes: Sizes, offset: NDArray[Any], spread: NDArray[Any]) -> None:
        super().__init__()
        self.sizes = sizes
        for name, value in (("offset", offset), ("spread", spread)):
            self.register_buffer(name, torch.tensor(np.asarray(value, np.float32)))
        self.likelihood: Likelihood = LIKELIHOODS[sizes.likelihood](sizes, self.offset, self.spread)
        self.encoder = Layers(sizes.n_features, sizes.width, sizes.depth, 2 * sizes.n_latents)
        self.decoder = Layers(sizes.n_latents, sizes.width, sizes.depth, sizes.n_outputs)

    def encode(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log scale, each (n, k), of the latent variables of rows (n, d)."""
        u = (x - self.offset) / self.spread
        if self.sizes.n_features > self.sizes.d:
            contrast = (u.square().mean(-1, keepdim=True) + FAINTEST**2).sqrt()
            u = torch.cat([u / contrast, contrast.log()], -1)
        mean, log_scale = self.encoder(u, generator).chunk(2, -1)
        return mean, log_scale

    def log_likelihood(
        self, x: torch.Tensor, z: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Log p(x | z) (n, s) of rows x (n, d) with each of their z (n, s, k)."""
        return self.likelihood.log_prob(x[:, None], self.decoder(z, generator))


def check_weights(sizes: Sizes, weights: Mapping[str, NDArray[Any]]) -> None:
    """Compare shapes, before anything as big as they pretend is built; ValueError."""
    with torch.device("meta"):
        wanted = Autoencoder(sizes, np.zeros(sizes.d), np.zeros(sizes.d)).named_parameters()
    for name, parameter in wanted:
        key = name.replace(".", "__")
        found = weights[key].shape if key in weights else None
        if found != tuple(parameter.shape):
            raise ValueError(f"{key} must have shape {tuple(parameter.shape)}, got {found}")
