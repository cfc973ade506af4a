"""Marginal likelihood of any model with Gaussian latent variables, three ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, SupportsIndex, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import Array, check_draw
from fastepll.generative.base import Rng
from fastepll.generative.bounds import LowerBound
from fastepll.models.gaussians import Gaussians
from fastepll.priors._inference.latent_annealing import latent_log_weights
from fastepll.priors.ais import check_count, log_mean_exp

CELLS = 1 << 21  # values worked on together
Encoder: TypeAlias = Callable[[Array], Gaussians]
Start: TypeAlias = Literal["prior", "encoder"]


class LatentVariableModel(Protocol):
    """What is asked of a model: latent variables z, N(0, I) a priori, and a Gaussian guess of them.

    `fastepll.generative.ProbabilisticPCA`, `fastepll.generative.VAE` and
    `fastepll.priors.PatchVAE` are such models.
    """

    @property
    def n_latents(self) -> int:
        """Latent variables, k."""

    def encode(self, x: ArrayLike) -> Gaussians:
        """A Gaussian for the latent variables of each of n data."""

    def log_joint(self, x: ArrayLike, z: ArrayLike) -> Array:
        """Log p(x, z) (n, s) of data and each of their latent variables (n, s, k)."""

    def joint_slope(self, x: ArrayLike, z: ArrayLike) -> tuple[Array, Array]:
        """The same, and its gradient in z (n, s, k)."""


def from_prior(
    model: LatentVariableModel, x: ArrayLike, rng: Rng, *, n_samples: SupportsIndex = 1000
) -> LowerBound:
    """Log of the mean of p(x | z) over z drawn from the prior: naive Monte Carlo.

    Parameters
    ----------
    model : LatentVariableModel
    x : array_like, shape (n, ...)
        Data of the model.
    rng : numpy.random.Generator or int
    n_samples : int
        For each datum, >= 2. To be near they must be as many as exp KL(p(z | x) ‖ p(z)).

    Examples
    --------
    >>> from fastepll.generative import ProbabilisticPCA
    >>> model = ProbabilisticPCA((2,), mean=[0, 0], factors=[[1], [1]], variance=1.0)
    >>> found = from_prior(model, [[1.0, 2.0]], rng=0)
    >>> bool(abs(found.values - model.log_prob([[1.0, 2.0]])) < 3 * found.errors)
    True
    """
    count = check_count("n_samples", n_samples, 2)
    k = model.n_latents
    told = f"naive Monte Carlo, {count} samples"
    weights = _weights(model, lambda rows: Gaussians.standard(len(rows), k), count, rng)
    return _gathered(x, count, weights, told)


def from_encoder(
    model: LatentVariableModel,
    x: ArrayLike,
    rng: Rng,
    *,
    n_samples: SupportsIndex = 1000,
    encoder: Encoder | None = None,
) -> LowerBound:
    """Log of the mean of p(x, z) / q(z | x) over z drawn from an encoder: importance sampling.

    Parameters
    ----------
    model, x, rng, n_samples
        As for `from_prior`.
    encoder : callable, optional
        Takes data to Gaussians of z; by default the encoder of the model.
    """
    count = check_count("n_samples", n_samples, 2)
    told = f"importance-weighted bound, {count} samples"
    return _gathered(x, count, _weights(model, encoder or model.encode, count, rng), told)


def annealed(
    model: LatentVariableModel,
    x: ArrayLike,
    rng: Rng,
    *,
    n_chains: SupportsIndex = 16,
    n_steps: SupportsIndex = 500,
    start: Start = "prior",
) -> LowerBound:
    """Annealed importance sampling, the referee where the others need too many samples.

    Parameters
    ----------
    model, x, rng
        As for `from_prior`.
    n_chains : int
        For each datum, >= 2.
    n_steps : int
        Targets between the start and the posterior, by Hamiltonian Monte Carlo.
    start : {"prior", "encoder"}
        What the chains are drawn from. From the prior the result has nothing of the encoder but
        the lengths of the steps; from the encoder fewer steps do.

    References
    ----------
    R. M. Neal, Annealed importance sampling, Statistics and Computing, 2001.
    Y. Wu, Y. Burda, R. Salakhutdinov, R. Grosse, On the quantitative analysis of decoder-based
    generative models, ICLR 2017.
    """
    if start not in get_args(Start):
        raise ValueError(f"start must be one of {get_args(Start)}, got {start!r}")
    chains, steps = check_count("n_chains", n_chains, 2), check_count("n_steps", n_steps, 1)
    generator = check_draw(0, rng)[1]

    def weights(rows: Array) -> Array:
        k, encoded = model.n_latents, model.encode(rows)
        begin, end, power = encoded, np.eye(k), 1.0
        if start == "prior":
            inverse = np.linalg.inv(encoded.root)
            end = (inverse.swapaxes(1, 2) @ inverse).mean(axis=0)
            begin, power = Gaussians.standard(len(rows), k), 4.0
        return latent_log_weights(
            lambda z: model.joint_slope(rows, z),
            begin,
            end,
            generator,
            n_chains=chains,
            n_steps=steps,
            power=power,
        )

    told = f"annealed importance sampling from the {start}, {chains} chains of {steps} steps"
    return _gathered(x, chains, weights, told)


def _weights(
    model: LatentVariableModel, encoder: Encoder, n_samples: int, rng: Rng
) -> Callable[[Array], Array]:
    """Log weights of importance sampling, of data."""
    generator = check_draw(0, rng)[1]

    def weights(rows: Array) -> Array:
        q = encoder(rows)
        z = q.draw(n_samples, generator)
        return np.asarray(model.log_joint(rows, z) - q.log_density(z))

    return weights


def _gathered(x: ArrayLike, n: int, weights: Callable[[Array], Array], told: str) -> LowerBound:
    """Log mean weights, of as many data at a time as their n samples allow."""
    data = np.asarray(x)
    several = max(CELLS // (n * max(data[:1].size, 1)), 1)
    parts = (data[i : i + several] for i in range(0, len(data), several))
    found = [log_mean_exp(weights(part)) for part in parts]
    values, errors = np.concatenate(found, axis=1) if found else np.empty((2, 0))
    return LowerBound(values, errors, told)
