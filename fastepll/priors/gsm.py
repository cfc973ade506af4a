"""Gaussian scale mixture: one covariance at several scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array, check_weights
from fastepll.priors._elliptical import EllipticalMixture, FiniteScales
from fastepll.priors.base import check_parameter, training_coordinates
from fastepll.priors.gsm_mixture import check_scales, fit_scale_mixture


class GaussianScaleMixture(EllipticalMixture):
    """Gaussian scale mixture, c = sqrt(z) u with u ~ N(0, C) and z one of finitely many scales.

    It is a Gaussian mixture whose components share their eigenvectors, `mixture`.

    Parameters
    ----------
    patch_shape : tuple of int
        ``(8, 8)``, or ``(8, 8, 3)``.
    metadata : mapping, optional
        JSON values.
    weights : array_like, shape (m,)
        Probabilities of the scales, positive, summing to 1.
    scales : array_like, shape (m,)
        Values of z > 0.
    covariance : array_like, shape (q, q)
        C, in the cosine basis.

    References
    ----------
    M. Wainwright, E. Simoncelli, Scale mixtures of Gaussians and the statistics of natural
    images, NIPS 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import GaussianScaleMixture
    >>> prior = GaussianScaleMixture(
    ...     (2, 2), weights=[0.5, 0.5], scales=[0.1, 1.0], covariance=np.eye(3))
    >>> prior.denoise([[2.0, -2.0, 2.0, -2.0]], sigma=0.5)
    array([[ 1.6, -1.6,  1.6, -1.6]])
    """

    kind = "gsm"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        weights: ArrayLike,
        scales: ArrayLike,
        covariance: ArrayLike,
    ) -> None:
        q = int(np.prod(tuple(patch_shape))) - 1
        self.covariance = check_parameter("covariance", covariance, (q, q))
        super().__init__(patch_shape, metadata, np.ones(1), self.covariance[None])
        self.scales = check_scales(scales)
        self.scale_weights = check_parameter("weights", check_weights(weights), self.scales.shape)
        self.radial = FiniteScales(self.scale_weights[None], self.scales[None], self.q)

    def parameters(self) -> dict[str, Array]:
        """Weights, scales and covariance."""
        return {
            "weights": self.scale_weights,
            "scales": self.scales,
            "covariance": self.covariance,
        }

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        n_scales: int = 16,
        iterations: int = 50,
        seed: int = 0,
    ) -> GaussianScaleMixture:
        """Fit by EM, over log-spaced scales that cover the contrasts of the patches.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale, dequantised; their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        n_scales : int
            At most 2048.
        iterations : int
            Of EM; an iteration costs a quadratic form for each patch.
        seed : int
            For the patches that the covariance starts from.
        """
        c = training_coordinates(patches, patch_shape).astype(np.float32)
        found, history, scales = fit_scale_mixture(c, 1, n_scales, iterations, seed)
        share = np.maximum(found.radial.probabilities[0], 1e-12)
        return cls(
            patch_shape,
            {"n_patches": len(c), "seed": seed, "log_likelihood": history},
            weights=share / share.sum(),
            scales=scales,
            covariance=found.covariances[0],
        )
