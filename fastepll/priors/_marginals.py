"""Densities of independent coordinates: Gaussian, Laplace, finite Gaussian scale mixtures.

All three are even, vectorised over the m coordinates of rows x (n, m), and have the same methods.
Noise is white, of variance v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import Array
from fastepll.priors.base import check_parameter
from fastepll.typing import Estimator

Form: TypeAlias = Literal["gaussian", "laplace", "scale-mixture"]


class Marginals(Protocol):
    """Densities of m independent coordinates."""

    def arrays(self) -> dict[str, Array]:
        """Arrays of parameters by name."""

    def log_prob(self, x: Array) -> Array:
        """Log density of each value, (n, m)."""

    def score(self, x: Array) -> Array:
        """Derivative of each log density, (n, m)."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw (n, m)."""

    def denoise(self, y: Array, v: float, estimator: Estimator) -> Array:
        """Estimate values from ones with noise of variance v, (n, m)."""


@dataclass(frozen=True, eq=False)
class GaussianMarginals:
    """Gaussians with variances (m,)."""

    variances: Array

    def __post_init__(self) -> None:
        """Check."""
        object.__setattr__(self, "variances", positive("variances", self.variances, (None,)))

    def arrays(self) -> dict[str, Array]:
        """Arrays of parameters by name."""
        return {"variances": self.variances}

    def log_prob(self, x: Array) -> Array:
        """Log density of each value, (n, m)."""
        return np.asarray(-0.5 * (x**2 / self.variances + np.log(2 * math.pi * self.variances)))

    def score(self, x: Array) -> Array:
        """Derivative of each log density, (n, m)."""
        return np.asarray(-x / self.variances)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw (n, m)."""
        return np.asarray(np.sqrt(self.variances) * rng.standard_normal((n, len(self.variances))))

    def denoise(self, y: Array, v: float, estimator: Estimator) -> Array:
        """Wiener's estimate, which is both mode and mean."""
        return np.asarray(y * (self.variances / (self.variances + v)))


@dataclass(frozen=True, eq=False)
class LaplaceMarginals:
    """Laplace densities exp(-|x| / b) / 2b with scales b (m,)."""

    scales: Array

    def __post_init__(self) -> None:
        """Check."""
        object.__setattr__(self, "scales", positive("scales", self.scales, (None,)))

    def arrays(self) -> dict[str, Array]:
        """Arrays of parameters by name."""
        return {"scales": self.scales}

    def log_prob(self, x: Array) -> Array:
        """Log density of each value, (n, m)."""
        return np.asarray(-abs(x) / self.scales - np.log(2 * self.scales))

    def score(self, x: Array) -> Array:
        """Derivative of each log density, (n, m); 0 at 0."""
        return np.asarray(-np.sign(x) / self.scales)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw (n, m)."""
        return np.asarray(rng.laplace(0.0, self.scales, (n, len(self.scales))))

    def denoise(self, y: Array, v: float, estimator: Estimator) -> Array:
        """Soft threshold v / b for the mode; for the mean y - (v/b) (P(x > 0) - P(x < 0))."""
        threshold = v / self.scales
        if estimator == "map":
            return np.asarray(np.sign(y) * np.maximum(abs(y) - threshold, 0))
        try:
            from scipy.special import erfcx, log_ndtr
        except ImportError as error:
            raise ImportError(
                "the posterior mean of a Laplace prior needs SciPy: pip install 'fastepll[lab]'"
            ) from error

        # P(x > 0) : P(x < 0) is erfcx(u - w) : erfcx(u + w), which overflows for u - w below -26
        u, w = threshold / math.sqrt(2 * v), abs(y) / math.sqrt(2 * v)
        near = np.maximum(u - w, -25.0)
        ratio = erfcx(u + w) / erfcx(near)
        far = u - w < near
        if far.any():
            upper, lower = (u - w)[far], (u + w)[far]
            ratio[far] = np.exp(
                np.log(erfcx(lower)) - upper**2 - math.log(2) - log_ndtr(-math.sqrt(2) * upper)
            )
        return np.asarray(np.sign(y) * (abs(y) - threshold * (1 - ratio) / (1 + ratio)))


@dataclass(frozen=True, eq=False)
class ScaleMixtureMarginals:
    """Mixtures of zero-mean Gaussians, weights and variances (m, n_scales).

    Its ``"map"`` estimate is EPLL's, not the mode: the most probable scale is chosen from the
    noisy value, then Wiener's estimate taken.
    """

    weights: Array
    variances: Array

    def __post_init__(self) -> None:
        """Check."""
        variances = positive("variances", self.variances, (None, None))
        weights = check_parameter("weights", self.weights, variances.shape)
        if weights.min() < 0 or abs(weights.sum(axis=1) - 1).max() > 1e-6:
            raise ValueError("weights must be >= 0 with rows that sum to 1")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "variances", variances)

    def arrays(self) -> dict[str, Array]:
        """Arrays of parameters by name."""
        return {"weights": self.weights, "variances": self.variances}

    def log_prob(self, x: Array) -> Array:
        """Log density of each value, (n, m)."""
        return self._posterior(x, 0.0)[1]

    def score(self, x: Array) -> Array:
        """Derivative of each log density, (n, m)."""
        return self.log_prob_and_score(x)[1]

    def log_prob_and_score(self, x: Array) -> tuple[Array, Array]:
        """Both at the price of one."""
        posterior, log_prob = self._posterior(x, 0.0)
        return log_prob, -x * np.einsum("knj,jk->nj", posterior, 1 / self.variances)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw (n, m)."""
        m, last = self.weights.shape[0], self.weights.shape[1] - 1
        above = rng.random((n, m))[:, :, None] > np.cumsum(self.weights, axis=1)
        chosen = np.minimum(above.sum(axis=2), last)
        return np.asarray(
            np.sqrt(self.variances[np.arange(m), chosen]) * rng.standard_normal((n, m))
        )

    def denoise(self, y: Array, v: float, estimator: Estimator) -> Array:
        """Wiener's estimate of the most probable scale, or the mean over all scales."""
        posterior, _ = self._posterior(y, v)
        gains = self.variances / (self.variances + v)
        if estimator == "mean":
            return np.asarray(y * np.einsum("knj,jk->nj", posterior, gains))
        return np.asarray(y * gains[np.arange(len(gains)), posterior.argmax(axis=0)])

    def _posterior(self, x: Array, v: float) -> tuple[Array, Array]:
        """Probabilities of the scales (n_scales, n, m), and the log density (n, m)."""
        return scale_posterior(x**2, self.weights, self.variances + v)


def scale_posterior(squares: Array, weights: Array, variances: Array) -> tuple[Array, Array]:
    """Probabilities of the scales (n_scales, n, m) given x² (n, m), and the log density of x."""
    with np.errstate(divide="ignore"):
        level = np.log(weights) - 0.5 * np.log(2 * math.pi * variances)
    mass = squares * (-0.5 / variances.T[:, None, :])
    mass += level.T[:, None, :]
    top = mass.max(axis=0)
    mass -= top
    np.exp(mass, out=mass)
    total = mass.sum(axis=0)
    mass /= total
    return mass, top + np.log(total)


def make_marginals(
    m: int,
    *,
    variances: ArrayLike | None = None,
    scales: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Marginals:
    """Marginals of m coordinates, of the form that has these arrays."""
    if scales is not None and variances is None and weights is None:
        return LaplaceMarginals(positive("scales", scales, (m,)))
    if variances is not None and scales is None:
        if weights is None:
            return GaussianMarginals(positive("variances", variances, (m,)))
        variances = positive("variances", variances, (m, None))
        return ScaleMixtureMarginals(
            check_parameter("weights", weights, variances.shape), variances
        )
    raise ValueError(
        "arrays must be those of one form: variances, or scales, or variances and weights"
    )


def positive(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Array:
    """Return a parameter whose values are all > 0."""
    array = check_parameter(name, value, shape)
    if not array.size or array.min() <= 0:
        raise ValueError(f"{name} must be positive")
    return array
