"""IndependentPixels: pixels that only share their mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll.priors._marginals import ScaleMixtureMarginals
from fastepll.priors.base import Prior, check_parameter, training_coordinates
from fastepll.typing import Estimator


class IndependentPixels(Prior):
    """Independent pixels with one scale-mixture density, conditioned on a mean of zero.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    weights, variances : array_like, shape (n_scales,)
        Of the density q of a pixel; weights sum to 1, variances > 0 in squared intensity units.

    Raises
    ------
    ValueError
        Arrays of another shape or range.

    Notes
    -----
    The density of a mean-free patch is exact: prod_i q(x_i) / f(0), f the density of
    sum_i x_i / sqrt(d), whose value at 0 is the integral of φ(t / sqrt(d))ᵈ over t / 2π,
    φ(t) = sum_k w_k exp(-v_k t² / 2) the characteristic function of q; the integral is taken
    on a grid of log t to 1e-10. Samples are exact too: given t drawn in proportion to the
    integrand, the scales of the pixels are independent.

    Both estimates work pixel by pixel, then remove the mean: the coupling of the pixels by the
    mean is ignored there. The MAP estimate chooses the most probable scale of each pixel.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011.

    Examples
    --------
    >>> from fastepll.priors import IndependentPixels
    >>> prior = IndependentPixels((2, 2), weights=[1.0], variances=[1.0])
    >>> prior.denoise([[1.0, -1.0, 2.0, -2.0]], sigma=1.0)
    array([[ 0.5, -0.5,  1. , -1. ]])
    """

    kind: ClassVar[str] = "independent-pixels"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        weights: ArrayLike,
        variances: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        levels = check_parameter("variances", variances, (None,))
        shares = check_parameter("weights", weights, levels.shape)
        self.marginals = ScaleMixtureMarginals(shares[None], levels[None])

    @classmethod
    def fit(
        cls,
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_scales: int = 8,
        iterations: int = 200,
    ) -> IndependentPixels:
        """Fit q by EM to all values of the mean-free patches, each on its own.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; their means are removed.
        patch_shape : tuple of int
            Shape of a patch.
        seed : int
            Not used: nothing is random.
        n_scales, iterations : int
            Size of the scale mixture, and the number of EM iterations.
        """
        from fastepll.images.cosines import dct_basis
        from fastepll.priors._inference.em import fit_scale_mixture

        c = training_coordinates(patches, patch_shape)
        pixels = (c @ dct_basis(tuple(patch_shape)).T).reshape(-1, 1)
        fitted = fit_scale_mixture(pixels, n_scales=n_scales, iterations=iterations)
        arrays = {name: value[0] for name, value in fitted.arrays().items()}
        return cls(patch_shape, {"n_patches": len(c)}, **arrays)

    def parameters(self) -> dict[str, Array]:
        """Weights and variances of the scales."""
        return {name: value[0] for name, value in self.marginals.arrays().items()}

    @kept
    def _frequencies(self) -> tuple[Array, Array]:
        """Grid of t > 0, and the mass that φ(t / sqrt(d))ᵈ has around each, by the trapezium."""
        weights, variances = self.marginals.weights[0], self.marginals.variances[0]
        first = math.log(1e-14 / math.sqrt(variances.max()))
        last = math.log(40 * math.sqrt(self.d / variances.min()))
        step = 0.02
        t = np.exp(np.arange(first, last, step))
        characteristic = np.exp(-np.outer(t**2, variances / (2 * self.d))) @ weights
        return t, step * t * characteristic**self.d

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Log density (m,)."""
        at_zero = self._frequencies[1].sum() / math.pi
        joint: Array = self.marginals.log_prob(c @ self.basis.T).sum(axis=1)
        return joint - math.log(at_zero)

    def _score(self, c: Array) -> Array:
        """Gradient of the log density."""
        return np.asarray(self.marginals.score(c @ self.basis.T) @ self.basis)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw coordinates: t, scales given t, pixels given scales and a sum of 0."""
        weights, variances = self.marginals.weights[0], self.marginals.variances[0]
        t, mass = self._frequencies
        drawn = rng.choice(t, n, p=mass / mass.sum())
        chances = weights * np.exp(-np.outer(drawn**2, variances / (2 * self.d)))
        bounds = np.cumsum(chances, axis=1)
        target = rng.random((n, self.d)) * bounds[:, -1:]
        levels = variances[(bounds[:, None, :] <= target[:, :, None]).sum(axis=2)]
        x = np.sqrt(levels) * rng.standard_normal((n, self.d))
        x -= levels * (x.sum(axis=1) / levels.sum(axis=1))[:, None]
        return np.asarray(x @ self.basis)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Estimate each pixel; the product with the basis removes the mean."""
        return np.asarray(
            self.marginals.denoise(c @ self.basis.T, sigma**2, estimator) @ self.basis
        )
