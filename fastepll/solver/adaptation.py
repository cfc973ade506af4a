"""A mixture drawn towards the patches of noisy images: EM that knows their noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import Backend
from fastepll.backends.passes import Pass
from fastepll.backends.reference import extract
from fastepll.models import GaussianMixture
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.noise_map import restore_plane
from fastepll.typing import FloatArray, Quality

GUIDE: Quality = "fast"
LEFT = 0.3  # of the noise, in the guide
ITERATIONS = 10
ROWS = 16  # of patches at a time, so that temporaries stay small

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Of mean-free patches with white noise of one variance.

    Attributes
    ----------
    counts, scatter : arrays (k,), (k, d, d)
        How many belong to each component, and the mean of their outer products.
    """

    variance: float
    counts: Array
    scatter: Array


def moments(
    noisy: FloatArray, model: GaussianMixture, sigma: float, *, backend: Backend, n_threads: int
) -> Moments:
    """Of all patches of planes with noise sigma; components are chosen in the restored planes."""
    settings = settings_for(GUIDE, sigma, model.patch_shape)
    guide = restore_plane(noisy, model, sigma, settings, backend=backend, n_threads=n_threads)
    step = Pass(noise_var=(LEFT * sigma) ** 2, selection="exact")
    chosen = backend.select(guide, model, step, n_threads=n_threads)
    k, d = model.n_components, model.n_features
    scatter = np.zeros((k, d, d))
    for top in range(0, len(chosen), ROWS):
        part = chosen[top : top + ROWS]
        below = top + len(part) + model.patch_shape[0] - 1
        patches, _ = extract(noisy[..., top:below, :], model.patch_shape)
        for c in np.unique(part):
            own = patches[part.ravel() == c]
            scatter[c] += own.T @ own
    counts = np.bincount(chosen.ravel(), minlength=k).astype(np.float64)
    return Moments(sigma**2, counts, scatter / np.maximum(counts, 1)[:, None, None])


def adapted(model: GaussianMixture, seen: Sequence[Moments], prior_weight: float) -> Array:
    """Covariances (k, d, d) that the moments make probable.

    The mode under an inverse Wishart prior about each given one that counts for ``prior_weight``
    patches; approached by EM, whose hidden variables are the patches without their noise.
    """
    given, eye = model.covariances, np.eye(model.n_features)
    counts = np.sum([each.counts for each in seen], axis=0)
    covariances = given
    for _ in range(ITERATIONS):
        total = prior_weight * given
        for each in seen:
            gain = np.linalg.solve(covariances + each.variance * eye, covariances)
            wiener = gain.swapaxes(1, 2)
            expected = wiener @ each.scatter @ gain + covariances - wiener @ covariances
            total += each.counts[:, None, None] * expected
        covariances = total / (counts + prior_weight)[:, None, None]
        covariances = (covariances + covariances.swapaxes(1, 2)) / 2
    return covariances
