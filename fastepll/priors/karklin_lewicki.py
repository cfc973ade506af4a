"""The distributed covariance-basis model of Karklin & Lewicki."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll.models._arrays import JSON, Array
from fastepll.priors import _hmc, _log_covariance
from fastepll.priors.ais import AnnealedPrior, annealed_log_weights
from fastepll.priors.base import check_parameter, training_coordinates
from fastepll.typing import Estimator

Self = TypeVar("Self", bound="KarklinLewicki")


class KarklinLewicki(AnnealedPrior):
    """Gaussian whose log covariance is a sum over sparse latent variables."""

    kind: ClassVar[str] = "karklin-lewicki"

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        whitening: ArrayLike,
        vectors: ArrayLike,
        weights: ArrayLike,
        offset: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.whitening = check_parameter("whitening", whitening, (self.q, self.q))
        self.vectors = check_parameter("vectors", vectors, (self.q, None))
        k = self.vectors.shape[1]
        self.weights = check_parameter("weights", weights, (None, k))
        self.offset = check_parameter("offset", offset, (k,))
        self._log_det = float(np.linalg.slogdet(self.whitening)[1])

    def parameters(self) -> dict[str, Array]:
        return {
            "whitening": self.whitening,
            "vectors": self.vectors,
            "weights": self.weights,
            "offset": self.offset,
        }

    def _log_weights(
        self, c: Array, n_chains: int, n_steps: int, rng: np.random.Generator
    ) -> Array:
        u = np.repeat(c @ self.whitening, n_chains, axis=0)
        beta = (np.arange(n_steps + 1) / n_steps) ** 4
        likelihood = _likelihood(u, self.vectors, self.weights, self.offset)
        information = fisher_information(self.vectors, self.weights)
        prior = np.eye(len(information))

        def start(rng: np.random.Generator) -> tuple[_hmc.Chains, Array]:
            chains = _hmc.begin(rng.laplace(size=(len(u), len(prior))), likelihood)
            return chains, beta[1] * chains.value

        def step(
            chains: _hmc.Chains, t: int, rng: np.random.Generator
        ) -> tuple[_hmc.Chains, Array]:
            metric = prior + beta[t] * information
            chains, _ = _hmc.transition(chains, likelihood, beta[t], metric, rng)
            return chains, (beta[t + 1] - beta[t]) * chains.value

        log_weights = annealed_log_weights(start, step, n_steps, rng)
        return log_weights.reshape(len(c), n_chains) + self._log_det

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        y, normal = rng.laplace(size=(n, len(self.weights))), rng.standard_normal((n, self.q))
        root = _log_covariance.Exponential(normal, -(self.offset + y @ self.weights), self.vectors)
        return np.asarray(np.linalg.solve(self.whitening.T, root.value.T).T)

    @classmethod
    def fit(
        cls: type[Self],
        patches: ArrayLike,
        *,
        patch_shape: Sequence[int] = (8, 8),
        seed: int = 0,
        n_latents: int = 32,
        n_vectors: int = 128,
        n_epochs: int = 20,
        batch: int = 200,
        rate: float = 0.01,
        verbose=False,
    ) -> Self:
        c = training_coordinates(patches, patch_shape)
        values, axes = np.linalg.eigh(c.T @ c / len(c))
        whitening = axes / np.sqrt(values)
        u = (c @ whitening).astype(np.float32)
        q, rng = u.shape[1], np.random.default_rng(seed)
        vectors = rng.standard_normal((q, n_vectors))
        weights = 0.1 * rng.standard_normal((n_latents, n_vectors))
        weights[0] += q / n_vectors
        learnt = {"vectors": vectors / np.linalg.norm(vectors, axis=0), "weights": weights, "offset": np.zeros(n_vectors)}
        learnt = {k: v.astype(np.float32) for k, v in learnt.items()}
        moments = {name: [np.zeros_like(a), np.zeros_like(a)] for name, a in learnt.items()}
        y = np.zeros((len(u), n_latents), np.float32)
        count, total = 0, n_epochs * -(-len(u) // batch)
        batch = min(batch, len(u))
        trace=[]; largest=0.5
        for epoch in range(n_epochs):
            order = rng.permutation(len(u))
            for first in range(0, len(u) - batch + 1, batch):
                rows = order[first : first + batch]
                b, w, o = (learnt[name] for name in ("vectors", "weights", "offset"))
                like = _likelihood(u[rows], b, w, o)
                metric = np.eye(n_latents) + fisher_information(b, w)
                chains, moved = _hmc.transition(_hmc.begin(y[rows], like), like, 1.0, metric, rng, largest=largest)
                largest *= np.exp(0.1 * (moved.mean() - 0.7))
                y[rows] = chains.y
                trace.append((chains.value.mean(), moved.mean()))
                root = _log_covariance.Exponential(u[rows], o + chains.y @ w, b)
                in_g, in_b = root.gradients(-root.value, basis=True)
                in_g = in_g - 0.5
                slopes = {"vectors": in_b, "weights": chains.y.T @ in_g, "offset": in_g.sum(axis=0)}
                count += 1
                pace = rate * min(1, count/50) * np.sqrt(max(0.0,1 - count / total))
                for name, slope in slopes.items():
                    first_m, second = moments[name]
                    g = slope / batch
                    if name == "vectors":
                        g = g - b * (b * g).sum(axis=0)
                    first_m += 0.1 * (g - first_m)
                    second += 0.01 * (g * g - second)
                    move = first_m / (1 - 0.9**count) / (np.sqrt(second / (1 - 0.99**count)) + 1e-8)
                    learnt[name] = learnt[name] + np.float32(pace) * move
                learnt["vectors"] /= np.linalg.norm(learnt["vectors"], axis=0)
            if verbose:
                import time
                print(epoch, np.mean(trace,axis=0), time.process_time(), np.abs(y).mean(), np.round(np.sort(np.linalg.norm(learnt['weights'],axis=1))[::4],2), flush=True)
                trace=[]; print(largest)
        return cls(patch_shape, None, whitening=whitening, **learnt)


def fisher_information(vectors: Array, weights: Array) -> Array:
    """½ trace(Mᵢ Mⱼ) of the matrices of the latents, (l, l): the curvature of the likelihood."""
    return np.asarray(0.5 * weights @ (vectors.T @ vectors) ** 2 @ weights.T)


def _likelihood(u: Array, vectors: Array, weights: Array, offset: Array) -> _hmc.Likelihood:
    """Log N(u; 0, C(y)) as a function of y, with its gradient."""

    def likelihood(y: Array) -> tuple[Array, Array]:
        value, in_g = _log_covariance.log_density(u, offset + y @ weights, vectors)
        return value, in_g @ weights.T

    return likelihood
