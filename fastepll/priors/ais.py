"""Annealed importance sampling: densities of priors with latent variables, with error bars."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import Array
from fastepll.priors.base import Prior

State = TypeVar("State")


def annealed_log_weights(
    start: Callable[[np.random.Generator], tuple[State, Array]],
    step: Callable[[State, int, np.random.Generator], tuple[State, Array]],
    n_steps: int,
    rng: np.random.Generator,
) -> Array:
    """Log weights (rows,) of annealed importance sampling, all chains at once.

    The targets f₀, f₁, …, f_T (T = ``n_steps``) lead from a normalised density of latent
    variables that can be sampled to f_T = p(latent, data).

    Parameters
    ----------
    start : callable
        ``start(rng)`` draws states from f₀ and returns them with log f₁ / f₀ of each, (rows,).
    step : callable
        ``step(states, t, rng)``, t = 1, …, T - 1, makes a transition that leaves f_t invariant and
        returns the new states with log f_{t+1} / f_t of each.
    n_steps : int
        T, >= 1; with 1 it is plain importance sampling.
    rng : numpy.random.Generator
        Source of all draws.

    Notes
    -----
    The mean of the weights is an unbiased estimate of p(data), whatever the transitions. Its
    logarithm is therefore a stochastic lower bound of log p(data): below it in expectation, and
    above it by more than a nats with probability at most exp(-a).

    References
    ----------
    R. M. Neal, Annealed importance sampling, Statistics and Computing, 2001.

    Examples
    --------
    The weights of one Gaussian, N(x; 0, 1 + v), with x given z as N(z, v) and z as N(0, 1):

    >>> import numpy as np
    >>> def start(rng):
    ...     z = rng.standard_normal(50000)
    ...     return z, -0.5 * (1.0 - z) ** 2 - 0.5 * np.log(2 * np.pi)
    >>> weights = annealed_log_weights(start, lambda z, t, rng: (z, 0 * z), 1,
    ...                                np.random.default_rng(0))
    >>> estimate, error = log_mean_exp(weights[None])
    >>> exact = -0.25 - 0.5 * np.log(4 * np.pi)
    >>> bool(abs(estimate[0] - exact) < 3 * error[0] < 0.02)
    True
    """
    states, log_weights = start(rng)
    for t in range(1, n_steps):
        states, gain = step(states, t, rng)
        log_weights = log_weights + gain
    return log_weights


def log_mean_exp(log_weights: Array) -> tuple[Array, Array]:
    """Log of the mean weight of each row, (n,), and its standard error by the jackknife, (n,).

    Parameters
    ----------
    log_weights : array, shape (n, n_chains)
        At least two chains; the error is that of chance over chains. With few chains of very
        unequal weights it is too small, as the estimate is then too low.
    """
    chains = log_weights.shape[1]
    top = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - top)
    total = weights.sum(axis=1, keepdims=True)
    others = np.log(np.maximum(total - weights, 1e-300 * total))
    deviation = others - others.mean(axis=1, keepdims=True)
    error = np.sqrt((chains - 1) / chains * (deviation**2).sum(axis=1))
    return (top + np.log(total / chains))[:, 0], error


class AnnealedPrior(Prior):
    """Base of priors whose density is estimated by annealed importance sampling."""

    exact: ClassVar[bool] = False
    n_chains: ClassVar[int] = 16
    """Chains per patch of `log_prob`."""
    n_steps: ClassVar[int] = 200
    """Targets per chain of `log_prob`."""
    annealed_chunk: ClassVar[int] = 64
    """Patches annealed together."""

    @abstractmethod
    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        """Log weights (m, n_chains) of coordinates (m, q)."""

    def estimate_log_prob(
        self,
        patches: ArrayLike,
        *,
        n_chains: SupportsIndex | None = None,
        n_steps: SupportsIndex | None = None,
        seed: int = 0,
    ) -> tuple[Array, Array]:
        """Estimated log density of each patch and its standard error, both (n,), in nats.

        The estimate of the density is unbiased, so the estimate of its logarithm is a stochastic
        lower bound: too low on average, by about half its squared error, and less the more steps
        and chains it has. The errors of patches are independent: that of the mean over n patches
        is ``sqrt((error**2).sum()) / n``.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; their means have no part in it.
        n_chains : int, optional
            Chains per patch, >= 2; their scatter gives the error.
        n_steps : int, optional
            Intermediate targets, >= 1; the time goes with their product.
        seed : int
            Of all draws.
        """
        chains = check_count("n_chains", self.n_chains if n_chains is None else n_chains, 2)
        steps = check_count("n_steps", self.n_steps if n_steps is None else n_steps, 1)
        c = self._coordinates(patches)
        estimate, error = np.empty((2, len(c)))
        for i, first in enumerate(range(0, len(c), self.annealed_chunk)):
            rows = slice(first, first + self.annealed_chunk)
            rng = np.random.default_rng([seed, i])
            weights = self._log_weights(c[rows], chains, steps, rng)
            estimate[rows], error[rows] = log_mean_exp(weights)
        return estimate, error

    def log_prob(self, patches: ArrayLike) -> Array:
        """`estimate_log_prob` with its defaults, without the errors; (n,), in nats."""
        return self.estimate_log_prob(patches)[0]

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        return log_mean_exp(self._log_weights(c, self.n_chains, self.n_steps, rng))[0]


def check_count(name: str, value: SupportsIndex, least: int) -> int:
    """Check a number of something."""
    if not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value.__index__() < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return value.__index__()
