"""Overcomplete sparse coding: more heavy-tailed sources than coordinates, and a little noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import JSON, Array
from fastepll.priors import _linear_gaussian as linear
from fastepll.priors._inference.gibbs import LinearModel, draw_variances, gibbs_mean
from fastepll.priors.ais import AnnealedPrior, annealed_log_weights
from fastepll.priors.base import check_parameter
from fastepll.typing import Estimator

Self = TypeVar("Self", bound="SparseCoding")

SLOW = 0.5  # by which noise falls more slowly half way, where the scales are decided
ROWS = 128  # patches whose covariances are held together


class SparseCoding(AnnealedPrior):
    """Sum of the columns of a dictionary, each times an independent heavy-tailed source.

    The coordinates of a patch are x = A s + e, with e ~ N(0, v I) and, independently for each
    source, sⱼ ~ Σₖ wⱼₖ N(0, vⱼₖ), a finite Gaussian scale mixture.

    Parameters
    ----------
    patch_shape, metadata
        As for `Prior`.
    dictionary : array_like, shape (q, m)
        A; m may be below, at or above q.
    variances : array_like, shape (m, k)
        vⱼₖ > 0, squared units of the patches where columns have norm 1.
    weights : array_like, shape (m, k)
        wⱼₖ >= 0, rows summing to 1.
    noise_variance : float
        v > 0.

    Notes
    -----
    `log_prob` is estimated by annealed importance sampling over the scales z of all sources. The
    targets are p(z) N(x; 0, A D_z Aᵀ + v_t I), the sources integrated out, with v_t falling to v,
    about geometrically, from the mean square of patch and prior; a transition draws the sources
    given the scales and the scales given the sources.

    `denoise` with "map" is the Wiener filter whose source variances are near their posterior means
    given the noisy patch: ``map_steps`` times, the posterior of each source's scale is computed
    exactly with the variances of the others as they are (Tipping & Faul 2003 have the formula).
    The most probable scales would be what EPLL takes of a mixture; they restore less well, as a
    hard choice for each of m sources is a bad summary of their posterior. "mean" is the posterior
    mean by Gibbs sampling.

    References
    ----------
    B. A. Olshausen, D. J. Field, Sparse coding with an overcomplete basis set: a strategy employed
    by V1?, Vision Research, 1997.

    M. E. Tipping, A. C. Faul, Fast marginal likelihood maximisation for sparse Bayesian models,
    AISTATS 2003.

    Examples
    --------
    With one scale per source it is a Gaussian, and every weight is the density itself:

    >>> import numpy as np
    >>> prior = SparseCoding((2, 2), dictionary=np.eye(3, 6), variances=np.ones((6, 1)),
    ...                      weights=np.ones((6, 1)), noise_variance=1.0)
    >>> value, error = prior.estimate_log_prob([[1, -1, 1, -1]], n_chains=2, n_steps=1)
    >>> (value + 1.5 * np.log(4 * np.pi)).round(9), error.round(9)  # |patch|² = 4, variance 2
    (array([-1.]), array([0.]))
    """

    kind: ClassVar[str] = "sparse-coding"
    n_steps: ClassVar[int] = 400
    map_steps: ClassVar[int] = 2
    """Covariances tried for each patch by the "map" estimate."""

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        dictionary: ArrayLike,
        variances: ArrayLike,
        weights: ArrayLike,
        noise_variance: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.dictionary = check_parameter("dictionary", dictionary, (self.q, None))
        m = self.dictionary.shape[1]
        self.variances = check_parameter("variances", variances, (m, None))
        self.weights = check_parameter("weights", weights, self.variances.shape)
        self.noise_variance = check_parameter("noise_variance", np.atleast_1d(noise_variance), (1,))
        for name in ("variances", "noise_variance"):
            least = getattr(self, name).min(initial=np.inf)
            if least <= 0:
                raise ValueError(f"{name} must be positive, got {least:.3g}")
        off = np.abs(self.weights.sum(axis=1) - 1).max(initial=0)
        if self.weights.min(initial=0) < 0 or off > 1e-6:
            raise ValueError(f"weights must be >= 0 with rows that sum to 1, off by {off:.3g}")
        self._mean_variances = (self.weights * self.variances).sum(axis=1)

    def parameters(self) -> dict[str, Array]:
        """Arrays of parameters, as the constructor takes them."""
        return {
            "dictionary": self.dictionary,
            "variances": self.variances,
            "weights": self.weights,
            "noise_variance": self.noise_variance,
        }

    @classmethod
    def fit(
        cls: type[Self],
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_sources: SupportsIndex | None = None,
        n_scales: SupportsIndex = 8,
        noise_variance: float = 2e-6,
        n_epochs: SupportsIndex = 25,
        batch: SupportsIndex = 200,
        rate: float = 0.02,
    ) -> Self:
        """Maximise the likelihood of patches by stochastic gradients and EM with Gibbs sampling.

        Each patch keeps a draw of the scales of its sources, renewed when it is in a batch. The
        dictionary goes along the gradient of log N(x; 0, A D Aᵀ + v I) given the scales, which
        does not slow down with little noise as EM does; variances and weights follow EM.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; their means have no part in it.
        patch_shape : tuple of int
            Of the patches.
        seed : int
            Of all draws.
        n_sources : int, optional
            m; twice the q coordinates by default.
        n_scales : int
            k, scales per source.
        noise_variance : float
            v, not learnt; dequantised patches of 8-bit images have noise of 1.3e-6.
        n_epochs : int
            Passes over the patches; each takes about 0.3 ms per 8x8 patch.
        batch : int
            Patches per step.
        rate : float
            Step length: most that an entry of the whitened dictionary changes at once.
        """
        from fastepll.priors._inference.sparse_coding_fit import Options, learn

        options = Options(n_sources, n_scales, noise_variance, n_epochs, batch, rate)
        return cls(patch_shape, None, **learn(patches, patch_shape, seed, options))

    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        x, last = np.repeat(c, n_chains, axis=0), self.noise_variance
        prior = self._mean_variances @ (self.dictionary**2).sum(axis=0)
        first = ((x**2).sum(axis=1) + prior) / self.q
        even = np.linspace(0, 1, n_steps)[:, None] if n_steps > 1 else np.ones((1, 1))
        fall = even + SLOW / (2 * np.pi) * np.sin(2 * np.pi * even)
        noise = first ** (1 - fall) * last**fall

        def start(rng: np.random.Generator) -> tuple[tuple[Array, Array], Array]:
            d = self._draw_variances(len(x), rng)
            covariance = linear.covariances(self.dictionary, d)
            return (d, covariance), linear.log_density(x, covariance, noise[0])

        def step(
            state: tuple[Array, Array], t: int, rng: np.random.Generator
        ) -> tuple[tuple[Array, Array], Array]:
            s = linear.draw(x, noise[t - 1], self.dictionary, *state, rng=rng).sources
            d = draw_variances(s, self.variances, self.weights, rng)
            covariance = linear.covariances(self.dictionary, d)
            gain = linear.log_density(x, covariance, noise[t])
            gain -= linear.log_density(x, covariance, noise[t - 1])
            return (d, covariance), gain

        return annealed_log_weights(start, step, n_steps, rng).reshape(len(c), n_chains)

    def _draw_variances(self, n: int, rng: np.random.Generator) -> Array:
        """Draw from the prior, (n, m)."""
        cumulative = self.weights.cumsum(axis=1)
        at = rng.random((n, len(cumulative), 1)) * cumulative[:, -1:]
        chosen = (cumulative <= at).sum(axis=2)
        return np.asarray(self.variances[np.arange(len(cumulative)), chosen])

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        s = np.sqrt(self._draw_variances(n, rng))
        s *= rng.standard_normal(s.shape)
        noise = np.sqrt(self.noise_variance) * rng.standard_normal((n, self.q))
        return np.asarray(s @ self.dictionary.T + noise)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        own, added = float(self.noise_variance[0]), sigma**2
        if estimator == "mean":
            model = LinearModel(self.dictionary, self.variances, self.weights)
            signal = gibbs_mean(c, own + added, model, rng)
            return np.asarray(signal + own / (own + added) * (c - signal))
        result = np.empty_like(c)
        for first in range(0, len(c), ROWS):
            rows = slice(first, first + ROWS)
            result[rows] = self._filter(c[rows], own + added, added)
        return result

    def _filter(self, c: Array, variance: float, added: float) -> Array:
        """Wiener estimates with variances that are found."""
        n, (q, m) = len(c), self.dictionary.shape
        with np.errstate(divide="ignore"):
            level = np.log(self.weights)
        d, diagonal = np.broadcast_to(self._mean_variances, (n, m)), np.arange(q)
        for left in range(self.map_steps, -1, -1):
            covariance = linear.covariances(self.dictionary, d)
            covariance[:, diagonal, diagonal] += variance
            if left == 0:
                break
            filters = (np.linalg.inv(covariance).reshape(n * q, q) @ self.dictionary).reshape(
                n, q, m
            )
            precision = (filters * self.dictionary).sum(axis=1)
            match = (c[:, None, :] @ filters)[:, 0]
            others = np.maximum(1 - d * precision, 1e-9)  # leaves the source itself out
            precision, match = (precision / others)[:, :, None], (match / others)[:, :, None]
            gain = 1 + self.variances * precision
            score = level - 0.5 * np.log(gain) + 0.5 * match**2 * (self.variances / gain)
            share = np.exp(score - score.max(axis=2, keepdims=True))
            d = (share * self.variances).sum(axis=2) / share.sum(axis=2)
        return np.asarray(c - added * np.linalg.solve(covariance, c[:, :, None])[:, :, 0])
