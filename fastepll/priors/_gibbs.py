"""Gibbs sampling of linear models whose sources are Gaussian scale mixtures.

Patches are x = A s, sources s_j independent with density sum_k w_jk N(0, v_jk), observed as
y = x + noise of variance v. A sweep draws each source's scale given the source, then all sources
given the scales, D the diagonal matrix of their variances. The second draw perturbs and corrects
(Papandreou & Yuille, NIPS 2010): with s' ~ N(0, D) and n' ~ N(0, vI),

    s = s' + D Aᵀ (A D Aᵀ + vI)⁻¹ (y - A s' - n').
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastepll.models._arrays import Array

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
    diagonal = np.arange(q)
    d = np.broadcast_to((weights * variances).sum(axis=1), (n, m))
    while True:
        scaled = (dictionary * d[:, None, :]).reshape(n * q, m)
        covariance = (scaled @ dictionary.T).reshape(n, q, q)
        covariance[:, diagonal, diagonal] += variance
        drawn = np.sqrt(d) * rng.standard_normal((n, m))
        noise = np.sqrt(variance) * rng.standard_normal((n, q))
        right = np.stack([y, y - drawn @ dictionary.T - noise], axis=2)
        solved = np.linalg.solve(covariance, right)
        s = drawn + d * (solved[:, :, 1] @ dictionary)
        yield y - variance * solved[:, :, 0], s
        d = draw_variances(s, variances, weights, rng)


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
