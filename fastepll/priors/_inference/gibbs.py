"""Linear models of scale-mixture sources: posterior mean by Gibbs sampling, mode by EM.

Patches are x = A s, sources s_j independent with density sum_k w_jk N(0, v_jk), observed as
y = x + noise of variance v. A sweep of the sampler draws each source's scale given the source,
then all sources given the scales, D the diagonal matrix of their variances. The second draw
perturbs and corrects (Papandreou & Yuille, NIPS 2010): with s' ~ N(0, D) and n' ~ N(0, vI),

    s = s' + D Aᵀ (A D Aᵀ + vI)⁻¹ (y - A s' - n').
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastepll._validation.model_arrays import Array
from fastepll.priors._marginals import scale_posterior

BLOCK = 128  # patches that share a sweep


class LinearModel(NamedTuple):
    """A dictionary, and the scale mixture of each of its sources."""

    dictionary: Array
    """A, (q, m), with m below, at or above q."""
    variances: Array
    """(m, n_scales), > 0."""
    weights: Array
    """(m, n_scales), rows summing to 1."""


def gibbs_mean(
    y: Array,
    variance: float,
    model: LinearModel,
    rng: np.random.Generator,
    *,
    sweeps: int = 40,
    burn_in: int = 10,
) -> Array:
    """Posterior mean (n, q) of A s, averaged over the sweeps after the first ones.

    What is averaged is the mean given the scales (Rao-Blackwell), not the draws.

    Parameters
    ----------
    y : array, shape (n, q)
        Noisy patches.
    variance : float
        Of the noise, > 0.
    model : LinearModel
        Of the clean patches.
    rng : numpy.random.Generator
        Drawn from in a fixed order.
    sweeps, burn_in : int
        Number of sweeps averaged, and of those before them.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones((1, 1))
    >>> gibbs_mean(np.array([[3.0]]), 2.0, LinearModel(one, one, one), np.random.default_rng(0))
    array([[1.]])
    """
    result = np.zeros_like(y)
    for start in range(0, len(y), BLOCK):
        rows = slice(start, min(start + BLOCK, len(y)))
        chain = gibbs_sweeps(y[rows], variance, model, rng)
        for sweep in range(burn_in + sweeps):
            mean, _ = next(chain)
            if sweep >= burn_in:
                result[rows] += mean / sweeps
    return result


def gibbs_sweeps(
    y: Array, variance: float, model: LinearModel, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Yield E[A s | scales, y] (n, q) and a draw of s (n, m), sweep after sweep without end.

    Parameters are those of `gibbs_mean`. The first sweep has each source at its mean variance.
    """
    dictionary, variances, weights = model
    (n, q), m = y.shape, dictionary.shape[1]
    d = np.broadcast_to((weights * variances).sum(axis=1), (n, m))
    while True:
        drawn = np.sqrt(d) * rng.standard_normal((n, m))
        noise = np.sqrt(variance) * rng.standard_normal((n, q))
        right = np.stack([y, y - drawn @ dictionary.T - noise], axis=2)
        solved = np.linalg.solve(noisy_covariance(dictionary, d, variance), right)
        s = drawn + d * (solved[:, :, 1] @ dictionary)
        yield y - variance * solved[:, :, 0], s
        d = draw_variances(s, variances, weights, rng)


def posterior_mode(
    y: Array,
    variance: float,
    model: LinearModel,
    *,
    iterations: int = 30,
    tolerance: float = 0.01,
) -> Array:
    """A s (n, q) for the most probable s given y, by EM over the scales.

    An iteration takes Wiener's estimate for the expected precision of each source; the first has
    each source at its mean variance. None lowers the posterior density; rows stop when they move
    by less than ``tolerance`` deviations of the noise. For m = q this is the mode of A s too.
    """
    dictionary, variances, weights = model
    result = y.copy()
    for start in range(0, len(y), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(y)))
        d = np.broadcast_to((weights * variances).sum(axis=1), (len(rows), dictionary.shape[1]))
        for _ in range(iterations):
            seen = y[rows]
            covariance = noisy_covariance(dictionary, d, variance)
            solved = np.linalg.solve(covariance, seen[:, :, None])[:, :, 0]
            moved = seen - variance * solved
            going = ((moved - result[rows]) ** 2).sum(axis=1) > tolerance**2 * variance
            result[rows] = moved
            s = (d * (solved @ dictionary))[going]
            rows = rows[going]
            if not len(rows):
                break
            posterior, _ = scale_posterior(s**2, weights, variances)
            d = 1 / np.einsum("knj,jk->nj", posterior, 1 / variances)
    return result


def noisy_covariance(dictionary: Array, d: Array, variance: float) -> Array:
    """A D Aᵀ + vI (n, q, q) for rows of variances d (n, m)."""
    (q, m), n = dictionary.shape, len(d)
    scaled = (dictionary * d[:, None, :]).reshape(n * q, m)
    covariance = (scaled @ dictionary.T).reshape(n, q, q)
    covariance[:, np.arange(q), np.arange(q)] += variance
    return covariance


def draw_variances(s: Array, variances: Array, weights: Array, rng: np.random.Generator) -> Array:
    """Draw the variance (n, m) of each source given its value (n, m)."""
    with np.errstate(divide="ignore"):
        level = np.log(weights) - 0.5 * np.log(variances)
    mass = level - 0.5 * s[:, :, None] ** 2 / variances
    mass -= mass.max(axis=2, keepdims=True)
    np.cumsum(np.exp(mass, out=mass), axis=2, out=mass)
    target = rng.random(s.shape) * mass[:, :, -1]
    chosen = (mass <= target[:, :, None]).sum(axis=2)
    return np.asarray(variances[np.arange(variances.shape[0]), chosen])
