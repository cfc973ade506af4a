"""Gaussian: one full covariance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models import GaussianMixture
from fastepll.priors.base import Prior, check_parameter, training_coordinates
from fastepll.typing import Estimator


class Gaussian(Prior):
    """Zero-mean multivariate Gaussian of mean-free patches.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    covariance : array_like, shape (d - 1, d - 1)
        Of the coordinates, in squared intensity units; symmetric, positive definite.

    Raises
    ------
    ValueError
        A covariance of another shape, or one that is not symmetric or not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import Gaussian
    >>> prior = Gaussian((1, 3), covariance=np.diag([3.0, 1.0]))
    >>> noisy = np.array([[1.0, 0.0, -1.0]])
    >>> prior.denoise(noisy, sigma=1.0).round(12)
    array([[ 0.75,  0.  , -0.75]])
    """

    kind: ClassVar[str] = "gaussian"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        covariance: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.covariance = check_parameter("covariance", covariance, (self.q, self.q))
        if abs(self.covariance - self.covariance.T).max() > 1e-12 * abs(self.covariance).max():
            raise ValueError("covariance must be symmetric")
        values, self._axes = np.linalg.eigh(self.covariance)
        if values[0] <= 0:
            raise ValueError(
                f"covariance must be positive definite, got an eigenvalue of {values[0]:.3g}"
            )
        self._variances = values

    @classmethod
    def fit(
        cls, patches: ArrayLike, *, patch_shape: Sequence[int] = (8, 8), seed: int = 0
    ) -> Gaussian:
        """Maximum likelihood: the second moments of the patches.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; at least d of them, their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        seed : int
            Not used: nothing is random.
        """
        c = training_coordinates(patches, patch_shape)
        covariance = c.T @ c / len(c)
        return cls(patch_shape, {"n_patches": len(c)}, covariance=0.5 * (covariance + covariance.T))

    def parameters(self) -> dict[str, Array]:
        """The covariance."""
        return {"covariance": self.covariance}

    @kept
    def mixture(self) -> GaussianMixture:
        """The same density as a mixture of one component."""
        covariance = self.basis @ self.covariance @ self.basis.T
        return GaussianMixture.from_covariances([1.0], covariance[None], self.patch_shape)

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Log density (m,)."""
        constant = np.log(2 * math.pi * self._variances).sum()
        power: Array = ((c @ self._axes) ** 2 / self._variances).sum(axis=1)
        return np.asarray(-0.5 * (constant + power))

    def _score(self, c: Array) -> Array:
        """Gradient of the log density."""
        return np.asarray(-(c @ self._axes / self._variances) @ self._axes.T)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw coordinates."""
        scaled = rng.standard_normal((n, self.q)) * np.sqrt(self._variances)
        return np.asarray(scaled @ self._axes.T)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Wiener's estimate, which is both mode and mean."""
        gains = self._variances / (self._variances + sigma**2)
        return np.asarray((c @ self._axes * gains) @ self._axes.T)
