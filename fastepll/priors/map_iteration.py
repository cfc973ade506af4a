"""MAP estimates under the exact density of a Gaussian mixture, by fixed-point iteration."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import Array
from fastepll.models import GaussianMixture, _density

CHUNK = 1024  # patches worked on together, each with a matrix of its own


def iterate_map(
    model: GaussianMixture,
    patches: ArrayLike,
    sigma: float,
    *,
    start: Literal["map", "noisy"] | ArrayLike = "map",
    iterations: int = 500,
    tolerance: float = 1e-4,
) -> Array:
    """Climb to a local maximum of the posterior density of each clean patch.

    EPLL's estimate (``model.map_estimate``) is the filter of one component, chosen under the noise;
    this is a maximum of the density of the whole mixture.

    Parameters
    ----------
    model : GaussianMixture
        Its components must carry their density on one subspace, as those of mean-free patches do.
    patches : array_like, shape (n, d)
        y, with white Gaussian noise.
    sigma : float
        Its standard deviation, > 0, in units of the patches.
    start : {"map", "noisy"} or array_like, shape (n, d)
        Where to begin: EPLL's estimate, the noisy patch, or these patches. Different starts may
        end on different maxima.
    iterations : int
        At most, >= 0.
    tolerance : float
        A patch is done when an iteration changes it by at most so many sigma.

    Returns
    -------
    numpy.ndarray
        (n, d), on the subspace that carries the prior.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong kind, shape or range; the message names it.

    Notes
    -----
    With the responsibilities γᵢ(z) of the components for the clean patch z of the step before, the
    bound ``log p(z) ≥ Σᵢ γᵢ log(wᵢ N(z; 0, Sᵢ) / γᵢ)`` is quadratic, and the step maximises it plus
    the log-likelihood: ``z = (I + σ² Σᵢ γᵢ Sᵢ⁻¹)⁻¹ y``, Wiener's filter where one component has
    it all. So the posterior never falls, and a patch that stays has gradient 0.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011. The bound is that of EM: A. P. Dempster, N. M. Laird, D. B. Rubin, JRSS B 1977.

    Examples
    --------
    >>> from fastepll.models import GaussianMixture
    >>> from fastepll.priors.map_iteration import iterate_map
    >>> model = GaussianMixture.from_covariances([0.5, 0.5], [[[0.01]], [[3.0]]], (1, 1))
    >>> iterate_map(model, [[4.0]], sigma=1.0).round(6)  # 4 · 3 / (3 + 1)
    array([[3.]])
    """
    y, level = model_arrays.check_patches(patches, model.d), model_arrays.check_sigma(sigma)
    if level == 0:
        raise ValueError("sigma must be > 0, got 0")
    for name, value in (("iterations", iterations), ("tolerance", tolerance)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")
    _density.common_support(model, 0.0)
    if isinstance(start, str):
        if start not in ("map", "noisy"):
            raise ValueError(f"start must be 'map', 'noisy' or patches, got {start!r}")
        z = model.map_estimate(y, level) if start == "map" else y
    else:
        z = model_arrays.real_array("start", start)
        if z.shape != y.shape:
            raise ValueError(f"start must have the shape of patches, {y.shape}, got {z.shape}")

    rank = int(np.count_nonzero(model.eigenvalues[0]))
    support = model.eigenvectors[0][:, :rank]
    precisions = np.empty((model.k, rank, rank))
    for i in range(model.k):
        half = support.T @ model.eigenvectors[i][:, :rank] / np.sqrt(model.eigenvalues[i, :rank])
        precisions[i] = half @ half.T
    result = np.asarray(z @ support @ support.T)
    for first in range(0, len(y), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(y)))
        for _ in range(int(iterations)):
            if not len(rows):
                break
            share = _density.posterior(_density.log_joint(model, result[rows], 0.0))
            matrices = level**2 * (share @ precisions.reshape(model.k, -1))
            matrices = matrices.reshape(-1, rank, rank) + np.eye(rank)
            c = np.linalg.solve(matrices, (y[rows] @ support)[:, :, None])[:, :, 0]
            moved = c @ support.T
            change = np.linalg.norm(moved - result[rows], axis=1)
            result[rows] = moved
            rows = rows[change > tolerance * level]
    return result


def log_posterior(
    model: GaussianMixture, estimates: ArrayLike, patches: ArrayLike, sigma: float
) -> Array:
    """Log posterior density of estimates of clean patches, given the noisy ones, (n,), in nats.

    Parameters
    ----------
    model : GaussianMixture
    estimates : array_like, shape (n, d)
        Clean patches.
    patches : array_like, shape (n, d)
        Noisy ones.
    sigma : float
        Standard deviation of the noise, > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.models import GaussianMixture
    >>> from fastepll.priors.map_iteration import log_posterior
    >>> model = GaussianMixture.from_covariances([1.0], [[[3.0]]], (1, 1))
    >>> log_posterior(model, [[1.5]], [[2.0]], 1.0) + 0.5 * np.log(2 * np.pi * 3 / 4)
    array([0.])
    """
    y, level = model_arrays.check_patches(patches, model.d), model_arrays.check_sigma(sigma)
    if level == 0:
        raise ValueError("sigma must be > 0, got 0")
    z = model_arrays.check_patches(estimates, model.d)
    if z.shape != y.shape:
        raise ValueError(f"estimates must have the shape of patches, {y.shape}, got {z.shape}")
    distance = ((y - z) ** 2).sum(axis=1) / level**2
    noise = -0.5 * (distance + model.d * np.log(2 * np.pi * level**2))
    return np.asarray(model.log_prob(z) + noise - model.log_prob(y, level))
