"""Gaussians x = A s + noise with source variances, and a noise variance, of each row's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastepll._validation.model_arrays import Array


def covariances(dictionary: Array, d: Array) -> Array:
    """A D Aᵀ for each row of variances d (n, m), as (n, q, q)."""
    q, m = dictionary.shape
    scaled = (dictionary * d[:, None, :]).reshape(len(d) * q, m)
    return np.asarray((scaled @ dictionary.T).reshape(len(d), q, q))


def log_density(x: Array, covariance: Array, noise: Array) -> Array:
    """Log N(x; 0, C + noise I), (n,), for rows x (n, q) with C (n, q, q) and noise (n,)."""
    n, q = x.shape
    bordered = np.empty((n, q + 1, q + 1))  # one Cholesky factor gives determinant and square
    bordered[:, :q, :q] = covariance
    bordered[:, np.arange(q), np.arange(q)] += noise[:, None]
    bordered[:, q, :q] = bordered[:, :q, q] = x
    bordered[:, q, q] = (x**2).sum(axis=1) / noise + 1
    factor = np.linalg.cholesky(bordered)
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)[:, :q]).sum(axis=1)
    square = (factor[:, q, :q] ** 2).sum(axis=1)
    return np.asarray(-log_det - 0.5 * (square + q * np.log(2 * np.pi)))


class Draw(NamedTuple):
    """One draw of the sources given x, and what a gradient in A needs."""

    sources: Array
    """s (n, m)."""
    solved: Array
    """(C + noise I)⁻¹ x, (n, q)."""
    probe: Array
    """A draw from N(0, (C + noise I)⁻¹), (n, q)."""


def draw(
    x: Array,
    noise: Array,
    dictionary: Array,
    d: Array,
    covariance: Array,
    *,
    rng: np.random.Generator,
) -> Draw:
    """Draw s from its posterior by perturbing and correcting; see `_inference.gibbs`."""
    (n, q), m = x.shape, dictionary.shape[1]
    noisy = covariance.copy()
    noisy[:, np.arange(q), np.arange(q)] += noise[:, None]
    prior = np.sqrt(d) * rng.standard_normal((n, m))
    made = prior @ dictionary.T + np.sqrt(noise)[:, None] * rng.standard_normal((n, q))
    both = np.linalg.solve(noisy, np.stack([x, made], axis=2))
    solved, probe = np.asarray(both[:, :, 0], float), np.asarray(both[:, :, 1], float)
    return Draw(prior + d * ((solved - probe) @ dictionary), solved, probe)
