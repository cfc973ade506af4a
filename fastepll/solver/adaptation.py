"""A mixture drawn towards the patches of noisy images: EM that knows their noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import Backend
from fastepll.backends.passes import Pass
from fastepll.backends.reference import extract
from fastepll.models import GaussianMixture
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.volume import DIRECTIONS, denoise_volume, slices_along
from fastepll.typing import FloatArray, Quality

GUIDE: Quality = "fast"
LEFT = 0.3  # of the noise, in the guide
ITERATIONS = 10
ROWS = 16  # of patches at a time, so that temporaries stay small
VOXELS = 1 << 20  # of a volume, about, whose patches are looked at in each direction

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Of mean-free patches with white noise of one variance.

    Attributes
    ----------
    counts, scatter : arrays (k,), (k, d, d)
        How many belong to each component, and the sum of their outer products.
    """

    variance: float
    counts: Array
    scatter: Array

    @classmethod
    def of_none(cls, model: GaussianMixture, sigma: float) -> Moments:
        """Moments of no patch yet."""
        k, d = model.n_components, model.n_features
        return cls(sigma**2, np.zeros(k), np.zeros((k, d, d)))


def see(
    seen: Moments,
    noisy: FloatArray,
    model: GaussianMixture,
    *,
    of_volume: bool = False,
    backend: Backend,
    n_threads: int,
) -> None:
    """Add the patches of planes, or of the planes of a volume in all directions, to the moments.

    Components are chosen in what was restored of them.
    """
    sigma = float(np.sqrt(seen.variance))
    settings = settings_for(GUIDE, sigma, model.patch_shape)
    denoise = denoise_volume if of_volume else denoise_plane
    guide = denoise(noisy, model, sigma, settings, backend=backend, n_threads=n_threads)
    step = Pass(noise_var=(LEFT * sigma) ** 2, selection="exact")
    for plane, restored in slices_of(noisy, guide) if of_volume else [(noisy, guide)]:
        chosen = backend.select(restored, model, step, n_threads=n_threads)
        seen.counts[:] += np.bincount(chosen.ravel(), minlength=model.n_components)
        for top in range(0, len(chosen), ROWS):
            part = chosen[top : top + ROWS]
            below = top + len(part) + model.patch_shape[0] - 1
            patches, _ = extract(plane[..., top:below, :], model.patch_shape)
            for c in np.unique(part):
                own = patches[part.ravel() == c]
                seen.scatter[c] += own.T @ own


def slices_of(*volumes: FloatArray) -> Iterator[list[FloatArray]]:
    """The same plane of each volume, in all directions; every so many of a large one."""
    every = -(-math.prod(volumes[0].shape[-DIRECTIONS:]) // VOXELS)
    for axis in range(DIRECTIONS):
        views = [slices_along(volume, axis)[::every] for volume in volumes]
        for planes in zip(*views, strict=True):
            yield [np.ascontiguousarray(plane) for plane in planes]


def adapted(model: GaussianMixture, seen: Sequence[Moments], prior_weight: float) -> Array:
    """Covariances (k, d, d) that the moments make probable.

    The mode under an inverse Wishart prior about each given one that counts for ``prior_weight``
    patches; approached by EM, whose hidden variables are the patches without their noise.
    """
    given, eye = model.covariances, np.eye(model.n_features)
    counts = np.sum([each.counts for each in seen], axis=0)
    means = [each.scatter / np.maximum(each.counts, 1)[:, None, None] for each in seen]
    covariances = given
    for _ in range(ITERATIONS):
        total = prior_weight * given
        for each, mean in zip(seen, means, strict=True):
            gain = np.linalg.solve(covariances + each.variance * eye, covariances)
            wiener = gain.swapaxes(1, 2)
            expected = wiener @ mean @ gain + covariances - wiener @ covariances
            total += each.counts[:, None, None] * expected
        covariances = total / (counts + prior_weight)[:, None, None]
        covariances = (covariances + covariances.swapaxes(1, 2)) / 2
    return covariances
