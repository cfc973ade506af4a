"""Hamiltonian Monte Carlo for many independent rows of latent variables at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array

Likelihood = Callable[[Array], tuple[Array, Array]]  # y (n, l) -> value (n,), gradient (n, l)


def laplace(y: Array) -> tuple[Array, Array]:
    """Log density, up to a constant, of the Laplace density ½ exp(-|y|), and its gradient."""
    return -np.abs(y).sum(axis=1), -np.sign(y)


def normal(y: Array) -> tuple[Array, Array]:
    """The same of N(0, I)."""
    return -0.5 * (y**2).sum(axis=1), -y


class Chains(NamedTuple):
    """Positions (n, l), and the log-likelihood there and its gradient."""

    y: Array
    value: Array
    slope: Array


def begin(y: Array, likelihood: Likelihood) -> Chains:
    """Chains at y."""
    return Chains(y, *likelihood(y))


def transition(
    chains: Chains,
    likelihood: Likelihood,
    beta: float,
    metric: Array,
    rng: np.random.Generator,
    *,
    n_leapfrog: int = 4,
    largest: float = 0.6,
    prior: Likelihood = laplace,
) -> tuple[Chains, NDArray[np.bool_]]:
    """One step that leaves prior * exp(beta * likelihood) invariant; also which rows moved.

    ``metric`` (l, l) is a rough Hessian, the same for all rows; the step length of each row is
    uniform up to ``largest``.
    """
    factor = np.linalg.inv(np.linalg.cholesky(metric)).astype(chains.y.dtype)  # y = w factor
    dtype = chains.y.dtype
    step = (largest * rng.uniform(0.2, 1, (len(chains.y), 1))).astype(dtype)

    def pull(at: Chains) -> Array:
        return np.asarray((dtype.type(beta) * at.slope + prior(at.y)[1]) @ factor.T)

    def energy(at: Chains, momentum: Array) -> Array:
        return np.asarray(0.5 * (momentum**2).sum(axis=1) - beta * at.value - prior(at.y)[0])

    momentum = rng.standard_normal(chains.y.shape).astype(dtype)
    before, there = energy(chains, momentum), chains
    momentum = momentum + 0.5 * step * pull(there)
    for i in range(n_leapfrog):
        there = begin(there.y + step * (momentum @ factor), likelihood)
        momentum = momentum + (0.5 if i == n_leapfrog - 1 else 1.0) * step * pull(there)
    fall = before - energy(there, momentum)
    moved = np.log(rng.random(len(fall))) < fall
    pairs = zip(there, chains, strict=True)
    kept = (np.where(moved.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs)
    return Chains(*kept), moved
