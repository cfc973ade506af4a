"""Mixture of generalised Gaussians: each component has a basis, and a shape along each axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture
from fastepll.models._density import log_sum, posterior
from fastepll.priors import _generalised_gaussian as one
from fastepll.priors._generalised_gaussian_noise import Tables
from fastepll.priors.base import Prior, begin_fit, check_parameter
from fastepll.typing import Estimator

NEGLIGIBLE = 1e-4  # share of a component in a posterior mean


class GeneralisedGaussianMixture(Prior):
    """Mixture of zero-mean generalised Gaussians.

    Given its component j the coordinates y = U_jᵀc are independent, of density
    ``ν / (2 α Γ(1/ν)) exp(-(|y|/α)^ν)`` with a shape ν and a variance α² Γ(3/ν) / Γ(1/ν) for each;
    ν = 2 is the Gaussian, ν = 1 the Laplacian. `log_prob` is exact.

    Parameters
    ----------
    patch_shape : tuple of int
        ``(8, 8)``, or ``(8, 8, 3)``.
    metadata : mapping, optional
        JSON values.
    weights : array_like, shape (k,)
        Positive, summing to 1.
    vectors : array_like, shape (k, q, q)
        Columns are the axes, orthonormal, in the cosine basis.
    variances : array_like, shape (k, q)
        Along the axes, > 0.
    shapes : array_like, shape (k, q)
        ν in [0.3, 2].

    Notes
    -----
    `denoise` takes each one-dimensional density as a mixture of eight Gaussians (the nearest ones
    for ν rounded to 0.05, a Kullback-Leibler divergence of at most 0.0014 nats), so that the
    density of noisy patches and posterior means have closed forms, which are tabulated for every
    axis and looked up in float32. Axes whose excess kurtosis under noise is below 0.2 are taken as
    Gaussian. "map" is the mode of each coordinate in the most probable component.

    References
    ----------
    C.-A. Deledalle, S. Parameswaran, T. Q. Nguyen, Image denoising with generalized Gaussian
    mixture model patch priors, SIAM J. Imaging Sci. 11(4), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.priors import GeneralisedGaussianMixture
    >>> prior = GeneralisedGaussianMixture((1, 2),
    ...     weights=[1.0], vectors=[[[1.0]]], variances=[[2.0]], shapes=[[1.0]])
    >>> np.exp(prior.log_prob([[0.0, 0.0]]))  # the Laplace density
    array([0.5])
    """

    kind = "generalised-gaussian-mixture"
    chunk = 2048

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        weights: ArrayLike,
        vectors: ArrayLike,
        variances: ArrayLike,
        shapes: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.weights = model_arrays.check_weights(weights)
        k, q = len(self.weights), self.q
        self.vectors = model_arrays.check_eigenvectors(vectors, k, q)
        self.variances = check_parameter("variances", variances, (k, q))
        if self.variances.min() <= 0:
            raise ValueError(f"variances must be positive, got {self.variances.min():.3g}")
        self.shapes = check_parameter("shapes", shapes, (k, q))
        low, high = one.SHAPES[[0, -1]]
        if self.shapes.min() < low or self.shapes.max() > high:
            raise ValueError(
                f"shapes must be in [{low:g}, {high:g}], "
                f"got {self.shapes.min():g} to {self.shapes.max():g}"
            )
        self._log_alpha = one.log_alpha(self.variances, self.shapes)
        heights = one.log_normaliser(self.variances, self.shapes)
        self._constants = np.log(self.weights) + heights.sum(axis=1)
        self._latest: tuple[float, list[Tables]] = (0.0, [])

    def parameters(self) -> dict[str, Array]:
        """Weights, axes, variances and shapes."""
        return {
            "weights": self.weights,
            "vectors": self.vectors,
            "variances": self.variances,
            "shapes": self.shapes,
        }

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        n_components: int = 200,
        iterations: int = 8,
        start: GaussianMixture | GeneralisedGaussianMixture | None = None,
        seed: int = 0,
    ) -> GeneralisedGaussianMixture:
        """Fit by EM: axes from weighted covariances, then variance and shape of each by likelihood.

        The axes are the eigenvectors of each component's covariance, which need not be the axes of
        greatest likelihood. Shapes are multiples of 0.05.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale, dequantised; their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        n_components : int
            Without `start`.
        iterations : int
            Of EM; all pairs of patch and component are scored at every fourth.
        start : GaussianMixture or GeneralisedGaussianMixture, optional
            Where EM starts; without it a mixture fitted to the same patches (needs torch).
        seed : int
            For that mixture.
        """
        from fastepll.priors._inference.generalised_gaussian_em import expectation_maximisation

        c, start = begin_fit(patches, patch_shape, start, n_components, seed)
        prior = cls._of_mixture(start) if isinstance(start, GaussianMixture) else start
        about: dict[str, JSON] = {"n_patches": len(c), "seed": seed}
        return expectation_maximisation(c, prior, iterations, about)

    @classmethod
    def _of_mixture(cls, mixture: GaussianMixture) -> GeneralisedGaussianMixture:
        """The same density, of shapes 2."""
        basis = dct_basis(mixture.patch_shape)
        values, vectors = np.linalg.eigh(basis.T @ mixture.covariances @ basis)
        return cls(
            mixture.patch_shape,
            weights=mixture.weights,
            vectors=vectors,
            variances=np.maximum(values, 1e-9 * values.max(axis=1, keepdims=True)),
            shapes=np.full(values.shape, 2.0),
        )

    def _log_joint(self, c: Array | NDArray[np.float32], j: int) -> Array:
        """Log of weight times density of component j, (m,), in the precision of c."""
        y = c @ self.vectors[j].astype(c.dtype)
        powers = one.power(y, self._log_alpha[j], self.shapes[j])
        return np.asarray(self._constants[j] - powers.sum(axis=1))

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        return log_sum(np.stack([self._log_joint(c, j) for j in range(len(self.weights))], axis=1))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        choice = rng.choice(len(self.weights), n, p=self.weights)
        shapes = self.shapes[choice]
        size = np.exp(self._log_alpha[choice]) * rng.gamma(1 / shapes) ** (1 / shapes)
        y: Array = size * rng.choice([-1.0, 1.0], size.shape)
        for j in np.unique(choice):
            rows = np.flatnonzero(choice == j)
            y[rows] = y[rows] @ self.vectors[j].T
        return y

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        tables, z = self._tables(sigma), c.astype(np.float32)
        joint = np.stack([table.log_density(z) for table in tables], axis=1).astype(np.float64)
        joint += np.log(self.weights)
        result = np.zeros_like(c)
        if estimator == "mean":
            share = posterior(joint)
            for j, table in enumerate(tables):
                rows = np.flatnonzero(share[:, j] > NEGLIGIBLE)
                result[rows] += share[rows, j, None] * table.posterior_mean(z[rows])
            return result
        best = joint.argmax(axis=1)
        groups = [(j, np.flatnonzero(best == j)) for j in np.unique(best)]
        for j, rows in groups:
            result[rows] = c[rows] @ self.vectors[j]
        result = one.shrink(result, sigma, self._log_alpha[best], self.shapes[best])
        for j, rows in groups:
            result[rows] = result[rows] @ self.vectors[j].T
        return result

    def _tables(self, sigma: float) -> list[Tables]:
        """What the components are under noise; those of the latest sigma are kept."""
        level, tables = self._latest
        if level != sigma:
            parts = zip(self.vectors, self.variances, self.shapes, strict=True)
            tables = [Tables.of(*part, sigma) for part in parts]
            self._latest = (sigma, tables)
        return tables
