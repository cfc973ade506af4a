"""What a patch prior is to restoration, and what it is in full."""

from __future__ import annotations

from typing import Protocol, SupportsIndex, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import Array
from fastepll.typing import Estimator


class IntractableError(NotImplementedError):
    """What a model has no exact way to tell; the message names the approximate one, if any."""


class PatchDenoiser(Protocol):
    """The least that restoration can do with: an estimator of patches."""

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Shape of a patch, ``(8, 8)``."""

    def denoise(self, patches: Array, sigma: float, estimator: Estimator, /) -> ArrayLike:
        """Estimate clean mean-free patches (n, d)."""


class PatchDensity(Protocol):
    """The other least: a density with its gradient, of which MAP estimates are found."""

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Shape of a patch, ``(8, 8)``."""

    def log_prob(self, patches: Array, /) -> ArrayLike:
        """Log density of each patch, (n,), up to a constant."""

    def score(self, patches: Array, /) -> ArrayLike:
        """Its gradient, (n, d)."""


@runtime_checkable
class PatchPrior(Protocol):
    """A density of mean-free patches, as `fastepll.restore` takes one.

    Patches are rows (n, d), d the product of ``patch_shape``, on the [0, 1] scale. The mean of a
    patch has no part in any of this: densities are those of its d - 1 coordinates in an
    orthonormal basis of the patches without mean, in nats, and estimates and samples are free of
    mean. `fastepll.GaussianMixture` is one, if its covariances have no variance along the mean.
    """

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Shape of a patch, ``(8, 8)``."""

    def log_prob(self, patches: ArrayLike) -> Array:
        """Log density of each patch, (n,)."""

    def sample(self, n: SupportsIndex, rng: np.random.Generator | int) -> Array:
        """Draw n patches, (n, d)."""

    def denoise(self, patches: ArrayLike, sigma: float, estimator: Estimator = "map") -> Array:
        """Estimate clean patches (n, d) from ones with white noise of deviation sigma."""
