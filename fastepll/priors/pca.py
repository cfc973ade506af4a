"""PCA: independent coefficients of the principal axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models import GaussianMixture
from fastepll.priors._marginals import Form, GaussianMarginals, make_marginals
from fastepll.priors.base import Prior, check_parameter, training_coordinates
from fastepll.typing import Estimator


class PCA(Prior):
    """Principal axes with independent Gaussian, Laplace or scale-mixture coefficients.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    axes : array_like, shape (d - 1, d - 1)
        Orthonormal columns: the axes in the coordinates.
    variances : array_like, shape (d - 1,) or (d - 1, n_scales)
        Of the Gaussian coefficients, or of each scale; squared intensity units.
    weights : array_like, shape (d - 1, n_scales), optional
        Of the scales, rows summing to 1.
    scales : array_like, shape (d - 1,)
        Of the Laplace coefficients, in place of variances: their mean magnitudes.

    Raises
    ------
    ValueError
        Arrays of another shape or range, axes that are not orthonormal.

    Notes
    -----
    The axes are orthonormal, so white noise stays white and both estimates are those of each
    coefficient. The posterior means are exact. The MAP estimate is exact for Gaussian and Laplace
    coefficients (Wiener's estimate, soft threshold); for scale mixtures it is Wiener's estimate
    for the most probable scale, as EPLL chooses a component.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import PCA
    >>> prior = PCA((1, 3), axes=np.eye(2), scales=[0.5, 0.5])
    >>> noisy = np.array([[2.0, 0.0, -2.0]]) / np.sqrt(2)
    >>> prior.denoise(noisy, sigma=0.5).round(4) + 0.0
    array([[ 1.0607,  0.    , -1.0607]])
    """

    kind: ClassVar[str] = "pca"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        axes: ArrayLike,
        variances: ArrayLike | None = None,
        scales: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.axes = check_parameter("axes", axes, (self.q, self.q))
        error = float(abs(self.axes.T @ self.axes - np.eye(self.q)).max())
        if error > 1e-10:
            raise ValueError(f"axes must be orthonormal within 1e-10, got {error:.3g}")
        self.marginals = make_marginals(self.q, variances=variances, scales=scales, weights=weights)

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        marginals: Form = "scale-mixture",
        n_scales: int = 8,
        iterations: int = 100,
    ) -> PCA:
        """Eigenvectors of the second moments, then each coefficient by maximum likelihood.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; at least d of them, their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        seed : int
            Not used: nothing is random.
        marginals : {"scale-mixture", "laplace", "gaussian"}
            Form of the coefficients' densities.
        n_scales, iterations : int
            Of a scale mixture: its size, and the number of EM iterations.
        """
        from fastepll.priors._inference.em import fit_marginals

        c = training_coordinates(patches, patch_shape)
        axes = np.linalg.eigh(c.T @ c)[1][:, ::-1]
        fitted = fit_marginals(c @ axes, marginals, n_scales=n_scales, iterations=iterations)
        metadata: dict[str, JSON] = {"n_patches": len(c), "marginals": marginals}
        return cls(patch_shape, metadata, axes=axes, **fitted.arrays())

    def parameters(self) -> dict[str, Array]:
        """The axes, and the arrays of the coefficients' densities."""
        return {"axes": self.axes, **self.marginals.arrays()}

    @kept
    def mixture(self) -> GaussianMixture | None:
        """The same density as a mixture of one component, for Gaussian coefficients."""
        if not isinstance(self.marginals, GaussianMarginals):
            return None
        axes = self.basis @ self.axes
        covariance = (axes * self.marginals.variances) @ axes.T
        return GaussianMixture.from_covariances([1.0], covariance[None], self.patch_shape)

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Log density (m,)."""
        return np.asarray(self.marginals.log_prob(c @ self.axes).sum(axis=1))

    def _score(self, c: Array) -> Array:
        """Gradient of the log density."""
        return np.asarray(self.marginals.score(c @ self.axes) @ self.axes.T)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw coordinates."""
        return np.asarray(self.marginals.sample(n, rng) @ self.axes.T)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Estimate each coefficient."""
        return np.asarray(self.marginals.denoise(c @ self.axes, sigma**2, estimator) @ self.axes.T)
