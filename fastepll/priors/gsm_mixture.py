"""Mixture of Gaussian scale mixtures: J covariances, each at m scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.priors._elliptical import EllipticalMixture, FiniteScales
from fastepll.priors._inference import elliptical_em
from fastepll.priors.base import check_parameter, training_coordinates

SAMPLE = 20_000  # patches that a fit starts from
COVERED = (0.001, 0.999)  # quantiles of contrast between which the scales lie


def check_scales(scales: ArrayLike) -> Array:
    """Return positive variances (m,)."""
    array = check_parameter("scales", scales, (None,))
    if not len(array) or array.min() <= 0:
        raise ValueError("scales must be one or more positive variances")
    return array


class GSMMixture(EllipticalMixture):
    """Mixture of Gaussian scale mixtures, p(c) = Σ w_js N(c; 0, z_s C_j).

    It is a Gaussian mixture of J m components, `mixture`, in which m share their eigenvectors.

    Parameters
    ----------
    patch_shape : tuple of int
        ``(8, 8)``, or ``(8, 8, 3)``.
    metadata : mapping, optional
        JSON values.
    weights : array_like, shape (J, m)
        Of each covariance at each scale, not negative, summing to 1; J m is at most 2048.
    scales : array_like, shape (m,)
        Variances z_s > 0.
    covariances : array_like, shape (J, q, q)
        C_j, in the cosine basis.

    References
    ----------
    D. Zoran, Y. Weiss, Natural images, Gaussian mixtures and dead leaves, NIPS 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import GSMMixture
    >>> prior = GSMMixture(
    ...     (2, 2), weights=[[0.5, 0.5]], scales=[0.1, 1.0], covariances=[np.eye(3)])
    >>> prior.mixture
    GaussianMixture(n_components=2, n_features=4, patch_shape=(2, 2))
    """

    kind = "gsm-mixture"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        weights: ArrayLike,
        scales: ArrayLike,
        covariances: ArrayLike,
    ) -> None:
        self.scales = check_scales(scales)
        self.joint_weights = check_parameter("weights", weights, (None, len(self.scales)))
        if self.joint_weights.min() < 0 or self.joint_weights.size > model_arrays.MAX_K:
            raise ValueError(
                f"weights must be at most {model_arrays.MAX_K} and not negative, "
                f"got {self.joint_weights.size} from {self.joint_weights.min():.3g}"
            )
        shares = self.joint_weights.sum(axis=1)
        super().__init__(patch_shape, metadata, shares, covariances)
        scale = np.broadcast_to(self.scales, self.joint_weights.shape)
        self.radial = FiniteScales(self.joint_weights / shares[:, None], scale, self.q)

    def parameters(self) -> dict[str, Array]:
        """Weights, scales and covariances."""
        return {
            "weights": self.joint_weights,
            "scales": self.scales,
            "covariances": self.covariances,
        }

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        n_covariances: int = 20,
        n_scales: int = 16,
        iterations: int = 50,
        seed: int = 0,
    ) -> GSMMixture:
        """Fit by EM, over log-spaced scales that cover the contrasts of the patches.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale, dequantised; their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        n_covariances, n_scales : int
            J and m, J m at most 2048.
        iterations : int
            Of EM; an iteration costs J quadratic forms for each patch.
        seed : int
            For the patches that covariances start from, as the moments of their neighbours in
            direction.
        """
        c = training_coordinates(patches, patch_shape).astype(np.float32)
        found, history, scales = fit_scale_mixture(c, n_covariances, n_scales, iterations, seed)
        return cls(
            patch_shape,
            {"n_patches": len(c), "seed": seed, "log_likelihood": history},
            weights=found.weights[:, None] * found.radial.probabilities,
            scales=scales,
            covariances=found.covariances,
        )


def fit_scale_mixture(
    c: NDArray[np.float32], n_covariances: int, n_scales: int, iterations: int, seed: int
) -> tuple[elliptical_em.Components[FiniteScales], list[float], Array]:
    """EM of `GSMMixture.fit` for coordinates: components, likelihoods, scales."""
    for name, value in (("n_covariances", n_covariances), ("n_scales", n_scales)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    if min(n_covariances, n_scales) < 1 or n_covariances * n_scales > model_arrays.MAX_K:
        raise ValueError(
            f"n_covariances and n_scales must be at least 1 and their product at most "
            f"{model_arrays.MAX_K}, got {n_covariances} and {n_scales}"
        )
    rng = np.random.default_rng(seed)
    sample = c[rng.permutation(len(c))[:SAMPLE]].astype(np.float64)
    lengths = np.maximum(np.linalg.norm(sample, axis=1), 1e-12)
    covariances = _directions(sample / lengths[:, None], n_covariances, rng)
    a, cost = np.empty((2, n_covariances, len(sample)))
    for j, covariance in enumerate(covariances):
        a[j] = np.einsum("ij,ij->i", sample @ np.linalg.inv(covariance), sample) / c.shape[1]
        cost[j] = c.shape[1] * np.log(a[j] + 1e-300) + np.linalg.slogdet(covariance)[1]
    contrast = a[cost.argmin(axis=0), np.arange(len(sample))]
    low, high = np.maximum(np.quantile(contrast, COVERED), 1e-12)
    scales = np.geomspace(low, high, n_scales)
    law = FiniteScales(
        np.full((n_covariances, n_scales), 1 / n_scales),
        np.tile(scales, (n_covariances, 1)),
        c.shape[1],
    )
    weights = np.full(n_covariances, 1 / n_covariances)
    start = elliptical_em.Components(weights, covariances, law)
    return *elliptical_em.fit(c, start, iterations=iterations), scales


def _directions(unit: Array, count: int, rng: np.random.Generator) -> Array:
    """Moments of the patches of unit length nearest to a random one, up to sign, for each."""
    near = min(len(unit), max(len(unit) // count, 4 * unit.shape[1]))
    seeds = unit[rng.choice(len(unit), count, replace=count > len(unit))]
    closest = np.argpartition(-np.abs(seeds @ unit.T), near - 1, axis=1)[:, :near]
    moments = np.stack([unit[rows].T @ unit[rows] / near for rows in closest])
    moments += 0.05 * moments.mean(axis=0)
    moments[:, np.arange(unit.shape[1]), np.arange(unit.shape[1])] += 1e-6
    return np.asarray(moments)
