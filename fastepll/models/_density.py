"""Densities and estimates of a zero-mean mixture: one component at a time, n in chunks.

For one component with eigenvectors U and eigenvalues λ, patches z observed with noise variance v
have c = zU distributed as N(0, diag(λ + v)). Directions with λ + v = 0 carry no density; they are
left out, which is the density on the support (`common_support` checks that there is only one).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array

if TYPE_CHECKING:
    from fastepll.models.mixture import GaussianMixture

_CHUNK = 4096  # patches worked on together
_SAME_SUPPORT = 1e-3  # largest cosine between one component's null space and another's support


def chunks(patches: Array) -> Iterator[slice]:
    """Yield slices that cover the rows of `patches`."""
    for start in range(0, len(patches), _CHUNK):
        yield slice(start, min(start + _CHUNK, len(patches)))


def common_support(model: GaussianMixture, variance: float) -> None:
    """Raise unless all components have their density on the same linear subspace."""
    if variance > 0 or model.eigenvalues.min() > 0:
        return
    ranks = np.count_nonzero(model.eigenvalues, axis=1)
    null = model.eigenvectors[0][:, ranks[0] :]
    for basis, rank in zip(model.eigenvectors, ranks, strict=True):
        if rank != ranks[0] or np.abs(basis[:, :rank].T @ null).max(initial=0) > _SAME_SUPPORT:
            raise ValueError(
                "sigma must be positive for a mixture whose components are singular in different "
                f"directions (ranks {ranks.min()} to {ranks.max()} of {model.d}), got 0"
            )


def log_joint(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return log(w_i) + log N(z; 0, S_i + v I) for every patch and component, (n, k)."""
    scores = np.empty((len(patches), model.k))
    log_weights = np.log(model.weights)
    for i in range(model.k):
        spectrum = model.eigenvalues[i] + variance
        r = int(np.count_nonzero(spectrum))
        projected = patches @ model.eigenvectors[i][:, :r]
        projected *= projected
        scores[:, i] = projected @ (-0.5 / spectrum[:r])
        scores[:, i] += log_weights[i] - 0.5 * (np.log(spectrum[:r]).sum() + r * np.log(2 * np.pi))
    return scores


def log_sum(scores: Array) -> Array:
    """Return log(sum(exp(scores))) along the last axis, (n,)."""
    top = scores.max(axis=1)
    return np.asarray(top + np.log(np.exp(scores - top[:, None]).sum(axis=1)))


def posterior(scores: Array) -> Array:
    """Turn log-joint scores (n, k) into probabilities that sum to 1 over k."""
    share: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return share


def wiener(model: GaussianMixture, i: int, patches: Array, variance: float) -> Array:
    """Return S_i (S_i + v I)^-1 z for every patch, (n, d)."""
    values = model.eigenvalues[i]
    r = int(np.count_nonzero(values))
    basis = model.eigenvectors[i][:, :r]
    shrink = values[:r] / (values[:r] + variance)
    if len(patches) < model.d:
        return np.asarray(((patches @ basis) * shrink) @ basis.T)
    return np.asarray(patches @ ((basis * shrink) @ basis.T))


def map_chunk(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return the Wiener estimate of each patch under its most probable component."""
    choice: NDArray[np.intp] = log_joint(model, patches, variance).argmax(axis=1)
    estimate = np.empty_like(patches)
    for i in np.unique(choice):
        rows = np.flatnonzero(choice == i)
        estimate[rows] = wiener(model, int(i), patches[rows], variance)
    return estimate


def mean_chunk(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return the posterior mean of each patch: Wiener estimates weighted by responsibility."""
    share = share_chunk(model, patches, variance)
    estimate = np.zeros_like(patches)
    for i in range(model.k):
        rows = np.flatnonzero(share[:, i] > 1e-18)
        estimate[rows] += share[rows, i, None] * wiener(model, i, patches[rows], variance)
    return estimate


def log_prob_chunk(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return the log density of each patch, (n,)."""
    return log_sum(log_joint(model, patches, variance))


def share_chunk(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return the posterior probabilities of the components, (n, k)."""
    return posterior(log_joint(model, patches, variance))


def score_chunk(model: GaussianMixture, patches: Array, variance: float) -> Array:
    """Return the gradient of the log density of each patch, (n, d), along the support."""
    share = share_chunk(model, patches, variance)
    gradient = np.zeros_like(patches)
    for i in range(model.k):
        spectrum = model.eigenvalues[i] + variance
        basis = model.eigenvectors[i][:, : np.count_nonzero(spectrum)]
        pull = ((patches @ basis) / spectrum[: basis.shape[1]]) @ basis.T
        gradient -= share[:, i, None] * pull
    return gradient


def draw(model: GaussianMixture, n: int, rng: np.random.Generator) -> Array:
    """Return n samples: a component each, then its coordinates, then its basis."""
    choice = rng.choice(model.k, size=n, p=model.weights / model.weights.sum())
    patches: Array = rng.standard_normal((n, model.d))
    patches *= np.sqrt(model.eigenvalues)[choice]
    for i in np.unique(choice):
        rows = np.flatnonzero(choice == i)
        patches[rows] = patches[rows] @ model.eigenvectors[i].T
    return patches
