"""Densities of a datum given what the decoder puts out, in torch."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastepll.priors._vae.sizes import Sizes

LEAST = 1e-3  # scale of a value, in units of its spread
NODES = 33  # of the sum over scales that stands for a Student-t density
Pair: TypeAlias = tuple[torch.Tensor, torch.Tensor]


class Likelihood(nn.Module):
    """Base of the densities of independent values."""

    @abstractmethod
    def log_prob(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Log density (...) of data x (..., d) given outputs of the decoder."""

    @abstractmethod
    def mean(self, out: torch.Tensor) -> torch.Tensor:
        """Mean of the data (..., d)."""

    @abstractmethod
    def draw(self, out: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Draw data (n, d)."""


class Bernoulli(Likelihood):
    """Values 0 or 1, whose log odds are put out."""

    def __init__(self, sizes: Sizes, offset: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()

    def log_prob(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """See `Likelihood`."""
        return (x * out - nn.functional.softplus(out)).sum(-1)

    def mean(self, out: torch.Tensor) -> torch.Tensor:
        """See `Likelihood`."""
        return torch.sigmoid(out)

    def draw(self, out: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """See `Likelihood`."""
        return (torch.from_numpy(rng.random(tuple(out.shape))) < torch.sigmoid(out)).to(out.dtype)


class Gaussian(Likelihood):
    """Real values with means, and scales of the decoder times one of each value.

    Means are put out in units of the spread from the offset, log scales from its logarithm. A
    decoder that has scales puts out a log contrast last, which both are raised by.
    """

    offset: torch.Tensor
    spread: torch.Tensor

    def __init__(self, sizes: Sizes, offset: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.d, self.heteroscedastic = sizes.d, sizes.heteroscedastic
        self.log_scale = nn.Parameter(torch.zeros(sizes.d))
        self.register_buffer("offset", offset)
        self.register_buffer("spread", spread)

    def split(self, out: torch.Tensor) -> Pair:
        """Mean and log scale (..., d)."""
        mean, log_scale = out, self.log_scale + out.new_zeros(())
        if self.heteroscedastic:
            mean, part, contrast = out.tensor_split((self.d, 2 * self.d), -1)
            mean, log_scale = contrast.exp() * mean, log_scale + part + contrast
        log_scale = torch.logaddexp(log_scale, torch.full_like(log_scale, math.log(LEAST)))
        return self.offset + self.spread * mean, self.spread.log() + log_scale

    def log_prob(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """See `Likelihood`."""
        mean, log_scale = self.split(out)
        square = ((x - mean) * (-log_scale).exp()).square()
        return -(0.5 * square + log_scale + 0.5 * math.log(2 * math.pi)).sum(-1)

    def mean(self, out: torch.Tensor) -> torch.Tensor:
        """See `Likelihood`."""
        return self.split(out)[0]

    def draw(self, out: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """See `Likelihood`."""
        mean, log_scale = self.split(out)
        return mean + log_scale.exp() * torch.from_numpy(self.residuals(tuple(mean.shape), rng))

    def residuals(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Draw values of mean 0 and scale 1."""
        return rng.standard_normal(shape)

    def information(self, out: torch.Tensor, slopes: torch.Tensor, variance: float) -> torch.Tensor:
        """Expected information (n, k, k) of z in data with white noise, were they Gaussian.

        By the derivatives (n, k, n_outputs) of what is put out.
        """
        mean, log_scale = self.split(out)
        total = (2 * log_scale).exp() + variance
        if not self.heteroscedastic:
            mean = slopes * (self.spread / total.sqrt())
            return mean @ mean.transpose(1, 2)
        of_mean, part, contrast = slopes.tensor_split((self.d, 2 * self.d), -1)
        gain = out[:, None, -1:].exp() * self.spread
        of_mean = gain * of_mean + contrast * (mean - self.offset)[:, None]
        floor = LEAST * self.spread * (-log_scale).exp()
        bend = math.sqrt(2) * (1 - floor) * (1 - variance / total)
        both = torch.cat([of_mean / total.sqrt()[:, None], (part + contrast) * bend[:, None]], -1)
        return both @ both.transpose(1, 2)

    def scales(self) -> Pair:
        """Log probabilities and squared scales (d, nodes) of Gaussians that make up a residual."""
        return torch.zeros_like(self.log_scale)[:, None], torch.ones_like(self.log_scale)[:, None]

    def of_noisy(self, y: torch.Tensor, out: torch.Tensor, variance: float) -> Pair:
        """Log density (...) of data y (..., d) with white noise, and the mean clean ones."""
        mean, log_scale = self.split(out)
        log_share, square = self.scales()
        signal = (2 * log_scale).exp()[..., None] * square
        residual = (y - mean)[..., None]
        total = signal + variance
        log = log_share - 0.5 * (residual.square() / total + (2 * math.pi * total).log())
        clean = mean + (torch.softmax(log, -1) * signal / total * residual).sum(-1)
        return torch.logsumexp(log, -1).sum(-1), clean


class StudentT(Gaussian):
    """The same with Student-t densities, of a number of degrees of freedom > 1 for each value."""

    def __init__(self, sizes: Sizes, offset: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__(sizes, offset, spread)
        self.freedom = nn.Parameter(torch.full((sizes.d,), 4.0))

    @property
    def dof(self) -> torch.Tensor:
        """Degrees of freedom (d,)."""
        return 1 + nn.functional.softplus(self.freedom)

    def log_prob(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """See `Likelihood`."""
        mean, log_scale = self.split(out)
        square = ((x - mean) * (-log_scale).exp()).square()
        half = 0.5 * (self.dof + 1)
        constant = torch.lgamma(half) - torch.lgamma(half - 0.5) - 0.5 * (math.pi * self.dof).log()
        return (constant - log_scale - half * torch.log1p(square / self.dof)).sum(-1)

    def residuals(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Draw values of mean 0 and scale 1."""
        return rng.standard_t(self.dof.detach().numpy(), shape)

    def scales(self) -> Pair:
        """Nodes evenly spaced in log w, of scales 1/√w with w gamma distributed."""
        half = 0.5 * self.dof[:, None]
        low, high = -15 / half - 4, 3 / half.sqrt() + 2
        log = low + (high - low) * torch.linspace(0, 1, NODES, dtype=half.dtype)
        return torch.log_softmax(half * (log - log.exp()), -1), (-log).exp()


LIKELIHOODS: dict[str, type[Bernoulli | Gaussian]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "student-t": StudentT,
}
