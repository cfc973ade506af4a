"""Annealed importance sampling of p(x) over Gaussian latent variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fastepll._validation.model_arrays import Array
from fastepll.models.gaussians import Gaussians, log_standard
from fastepll.priors._inference import hmc
from fastepll.priors.ais import annealed_log_weights

Joint: TypeAlias = Callable[[Array], tuple[Array, Array]]
"""z (n, s, k) -> log p(x, z) (n, s), and its gradient in z (n, s, k)."""


def latent_log_weights(
    joint: Joint,
    start: Gaussians,
    end: Array,
    rng: np.random.Generator,
    *,
    n_chains: int,
    n_steps: int,
    power: float = 1.0,
) -> Array:
    """Log weights (n, n_chains), whose mean weight estimates p(x) of each of n rows.

    The targets are start^(1 - β) p(x, z)^β with β = (t / n_steps)^power; transitions are those of
    Hamiltonian Monte Carlo in the noise that makes z of ``start``.

    Parameters
    ----------
    joint : callable
        See `Joint`.
    start : Gaussians
        Density of z that the chains begin with: the prior, or what an encoder gives.
    end : array, shape (k, k)
        Rough precision of that noise in the last target; steps are scaled by what lies between it
        and I.
    rng : numpy.random.Generator
    n_chains, n_steps : int
        With 1 step it is plain importance sampling.
    power : float
    """
    n, k = start.mean.shape
    beta = (np.arange(n_steps + 1) / n_steps) ** power

    def likelihood(noise: Array) -> tuple[Array, Array]:
        """Log p(x, z) / start(z), and its gradient in the noise."""
        noise = noise.reshape(n, n_chains, k)
        value, slope = joint(start.at(noise))
        value = value + start.log_det[:, None] - log_standard(noise)
        return value.reshape(-1), (slope @ start.root + noise).reshape(-1, k)

    def begin(rng: np.random.Generator) -> tuple[hmc.Chains, Array]:
        chains = hmc.begin(rng.standard_normal((n * n_chains, k)), likelihood)
        return chains, beta[1] * chains.value

    def step(chains: hmc.Chains, t: int, rng: np.random.Generator) -> tuple[hmc.Chains, Array]:
        metric = (1 - beta[t]) * np.eye(k) + beta[t] * end
        chains, _ = hmc.transition(
            chains, likelihood, float(beta[t]), metric, rng, prior=hmc.normal
        )
        return chains, (beta[t + 1] - beta[t]) * chains.value

    return annealed_log_weights(begin, step, n_steps, rng).reshape(n, n_chains)
