"""Overcomplete sparse coding: more heavy-tailed sources than values in a patch, and a little noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll.models._arrays import JSON, Array
from fastepll.priors._gibbs import LinearModel, draw_variances, gibbs_mean
from fastepll.priors.ais import AnnealedPrior, annealed_log_weights
from fastepll.priors.base import check_parameter, training_coordinates
from fastepll.typing import Estimator

Self = TypeVar("Self", bound="SparseCoding")


class SparseCoding(AnnealedPrior):
    kind: ClassVar[str] = "sparse-coding"
    map_steps: ClassVar[int] = 4

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
            least = getattr(self, name).min()
            if least <= 0:
                raise ValueError(f"{name} must be positive, got {least:.3g}")
        total = self.weights.sum(axis=1)
        if self.weights.min() < 0 or np.abs(total - 1).max() > 1e-6:
            raise ValueError("weights must be >= 0 with rows that sum to 1")

    def parameters(self) -> dict[str, Array]:
        """See `Prior.parameters`."""
        return {
            "dictionary": self.dictionary,
            "variances": self.variances,
            "weights": self.weights,
            "noise_variance": self.noise_variance,
        }

    @property
    def _model(self) -> LinearModel:
        return LinearModel(self.dictionary, self.variances, self.weights)

    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        x = np.repeat(c, n_chains, axis=0)
        mean = (self.weights * self.variances).sum(axis=1) @ (self.dictionary**2).sum(axis=0)
        first = 10 * ((x**2).sum(axis=1) + mean) / self.q
        last = self.noise_variance[0]
        fraction = np.arange(n_steps)[:, None] / max(n_steps - 1, 1)
        noise = (
            first ** (1 - fraction) * last**fraction if n_steps > 1 else np.full((1, len(x)), last)
        )

        def start(rng: np.random.Generator) -> tuple[Array, Array]:
            d = self._draw_prior_variances(len(x), rng)
            return d, _log_gaussian(x, self._covariance(d), noise[0])

        def step(d: Array, t: int, rng: np.random.Generator) -> tuple[Array, Array]:
            s = draw_sources(x, noise[t - 1], self.dictionary, self._covariance(d), d, rng)[0]
            d = draw_variances(s, self.variances, self.weights, rng)
            covariance = self._covariance(d)
            gain = _log_gaussian(x, covariance, noise[t]) - _log_gaussian(
                x, covariance, noise[t - 1]
            )
            return d, gain

        return annealed_log_weights(start, step, n_steps, rng).reshape(len(c), n_chains)

    def _covariance(self, d: Array) -> Array:
        return _covariances(self.dictionary, d)

    def _draw_prior_variances(self, n: int, rng: np.random.Generator) -> Array:
        cumulative = self.weights.cumsum(axis=1)
        at = rng.random((n, len(self.weights), 1)) * cumulative[:, -1:]
        chosen = (cumulative <= at).sum(axis=2)
        return np.asarray(self.variances[np.arange(len(self.weights)), chosen])

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        s = np.sqrt(self._draw_prior_variances(n, rng))
        s *= rng.standard_normal(s.shape)
        noise = np.sqrt(self.noise_variance) * rng.standard_normal((n, self.q))
        return np.asarray(s @ self.dictionary.T + noise)

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        own, added = self.noise_variance[0], sigma**2
        variance = own + added
        if estimator == "mean":
            signal = gibbs_mean(c, variance, self._model, rng)
            return np.asarray(signal + own / variance * (c - signal))
        result = np.empty_like(c)
        for first in range(0, len(c), 128):
            rows = slice(first, first + 128)
            result[rows] = self._map(c[rows], variance, added)
        return result

    def _map(self, c: Array, variance: float, added: float) -> Array:
        """Patch given the scales that EM finds."""
        dictionary = self.dictionary
        with np.errstate(divide="ignore"):
            level = np.log(self.weights) - 0.5 * np.log(self.variances)
        half_precision = 0.5 / self.variances
        d = np.broadcast_to((self.weights * self.variances).sum(axis=1), (len(c), len(level)))
        for i in range(self.map_steps + 1):
            covariance = self._covariance(d)
            covariance[:, np.arange(self.q), np.arange(self.q)] += variance
            if i == self.map_steps:
                return np.asarray(c - added * np.linalg.solve(covariance, c[:, :, None])[:, :, 0])
            inverse = np.linalg.inv(covariance)
            filtered = inverse.reshape(-1, self.q) @ dictionary
            filtered = filtered.reshape(len(c), self.q, -1)
            mean = d * np.einsum("nqm,nq->nm", filtered, c)
            spread = d - d * d * (filtered * dictionary).sum(axis=1)
            square = mean**2 + spread
            chosen = (level - half_precision * square[:, :, None]).argmax(axis=2)
            d = self.variances[np.arange(len(level)), chosen]
        raise AssertionError

    @classmethod
    def fit(
        cls: type[Self],
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_sources: int | None = None,
        n_scales: int = 8,
        n_epochs: int = 10,
        batch: int = 200,
        rate: float = 0.01,
        noise_variance: float = 2e-6,
        verbose=False,
    ) -> Self:
        x = training_coordinates(patches, patch_shape)
        n, q = x.shape
        m = 2 * q if n_sources is None else n_sources
        rng = np.random.default_rng(seed)
        values, axes = np.linalg.eigh(x.T @ x / n)
        root = axes * np.sqrt(values)
        white = rng.standard_normal((q, m))
        white /= np.linalg.norm(white, axis=0)
        variances = np.tile(q / m * np.geomspace(1e-4, 30, n_scales), (m, 1))
        weights = np.full((m, n_scales), 1 / n_scales)
        d = np.full((n, m), q / m)
        counts = squares = None
        first, second, count = np.zeros_like(white), np.zeros_like(white), 0
        batch = min(batch, n)
        total = n_epochs * (n // batch)
        for epoch in range(n_epochs):
            order = rng.permutation(n)
            ll = []
            for begin in range(0, n - batch + 1, batch):
                rows = order[begin : begin + batch]
                dictionary = root @ white
                dd = d[rows]
                cov = _covariances(dictionary, dd)
                s, a, r = draw_sources(
                    x[rows], np.full(batch, noise_variance), dictionary, cov, dd, rng
                )
                if count % 20 == 0:
                    ll.append(_log_gaussian(x[rows], cov, np.full(batch, noise_variance)).mean())
                slope = a.T @ (dd * (a @ dictionary)) - r.T @ (dd * (r @ dictionary))
                g = root.T @ slope / batch
                g -= white * (white * g).sum(axis=0)
                # responsibilities
                mass = (
                    np.log(weights + 1e-300)
                    - 0.5 * np.log(variances)
                    - 0.5 * s[:, :, None] ** 2 / variances
                )
                mass = np.exp(mass - mass.max(axis=2, keepdims=True))
                mass /= mass.sum(axis=2, keepdims=True)
                cnt, sq = mass.mean(axis=0), (mass * s[:, :, None] ** 2).mean(axis=0)
                d[rows] = draw_variances(s, variances, weights, rng)
                gain = max(1 / (count + 1), 0.02)
                counts = cnt if counts is None else counts + gain * (cnt - counts)
                squares = sq if squares is None else squares + gain * (sq - squares)
                count += 1
                pace = rate * min(1, count / 50) * np.sqrt(max(0.0, 1 - count / total))
                first += 0.1 * (g - first)
                second += 0.01 * (g * g - second)
                white += (
                    pace * first / (1 - 0.9**count) / (np.sqrt(second / (1 - 0.99**count)) + 1e-12)
                )
                white /= np.linalg.norm(white, axis=0)
                if count > 20:
                    weights = counts + 1e-6
                    weights /= weights.sum(axis=1, keepdims=True)
                    variances = np.maximum((squares + 1e-6 * variances) / (counts + 1e-6), 1e-7)
            if verbose:
                import time

                print(
                    epoch,
                    np.mean(ll),
                    time.process_time(),
                    weights.mean(0).round(3),
                    np.median(variances, axis=0),
                    flush=True,
                )
        dictionary = root @ white
        norm = np.linalg.norm(dictionary, axis=0)
        return cls(
            patch_shape,
            None,
            dictionary=dictionary / norm,
            variances=variances * norm[:, None] ** 2,
            weights=weights,
            noise_variance=noise_variance,
        )


def _covariances(dictionary: Array, d: Array) -> Array:
    """A D Aᵀ for each row of d, (n, q, q)."""
    q, m = dictionary.shape
    scaled = (dictionary * d[:, None, :]).reshape(len(d) * q, m)
    return np.asarray((scaled @ dictionary.T).reshape(len(d), q, q))


def draw_sources(x, noise, dictionary, covariance, d, rng):
    (n, q), m = x.shape, dictionary.shape[1]
    noisy = covariance.copy()
    noisy[:, np.arange(q), np.arange(q)] += noise[:, None]
    drawn = np.sqrt(d) * rng.standard_normal((n, m))
    made = drawn @ dictionary.T + np.sqrt(noise)[:, None] * rng.standard_normal((n, q))
    solved = np.linalg.solve(noisy, np.stack([x, made], axis=2))
    a, r = solved[:, :, 0], solved[:, :, 1]
    return drawn + d * ((a - r) @ dictionary), a, r


def _log_gaussian(x: Array, covariance: Array, noise: Array) -> Array:
    """Log N(x; 0, C + noise I) for rows with a C and a noise each: one Cholesky factor for both."""
    n, q = x.shape
    bordered = np.empty((n, q + 1, q + 1))
    bordered[:, :q, :q] = covariance
    bordered[:, np.arange(q), np.arange(q)] += noise[:, None]
    bordered[:, q, :q] = x
    bordered[:, q, q] = (x**2).sum(axis=1) / noise + 1
    factor = np.linalg.cholesky(bordered)
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)[:, :q]).sum(axis=1)
    square = (factor[:, q, :q] ** 2).sum(axis=1)
    return np.asarray(-log_det - 0.5 * (square + q * np.log(2 * np.pi)))
