"""Learning the vectors and weights of Karklin & Lewicki's model, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from fastepll.models._arrays import Array
from fastepll.priors import _hmc, _log_covariance
from fastepll.priors._adam import Adam
from fastepll.priors.ais import check_count
from fastepll.priors.base import training_coordinates
from fastepll.priors.karklin_lewicki import fisher_information, likelihood_of

ACCEPTANCE = 0.7  # of the chains, to which the step length adapts


def learn(
    patches: ArrayLike,
    patch_shape: Sequence[int],
    seed: int,
    n_latents: SupportsIndex,
    n_vectors: SupportsIndex | None,
    n_epochs: SupportsIndex,
    batch: SupportsIndex,
    rate: float,
) -> tuple[Array, dict[str, Array]]:
    """Whitening and the other parameters; see `KarklinLewicki.fit`."""
    c = training_coordinates(patches, patch_shape)
    n, q = c.shape
    k = 2 * q if n_vectors is None else check_count("n_vectors", n_vectors, 1)
    latents, size = check_count("n_latents", n_latents, 1), check_count("batch", batch, 1)
    values, axes = np.linalg.eigh(c.T @ c / n)
    if values[0] <= 1e-12 * values[-1]:
        raise ValueError("patches must have variance in every direction without mean")
    whitening = axes / np.sqrt(values)
    u, rng, size = (c @ whitening).astype(np.float32), np.random.default_rng(seed), min(size, n)
    learnt = {name: value.astype(np.float32) for name, value in _begin(q, k, latents, rng).items()}
    n_steps = check_count("n_epochs", n_epochs, 1) * (n // size)
    ascent, largest = Adam(learnt, rate, n_steps), 0.3
    y = np.zeros((n, latents), np.float32)
    order = np.empty(0, np.intp)
    for _ in range(n_steps):
        if len(order) < size:
            order = rng.permutation(n)
        rows, order = order[:size], order[size:]
        b, w, o = learnt["vectors"], learnt["weights"], learnt["offset"]
        likelihood = likelihood_of(u[rows], b, w, o)
        metric = np.eye(latents) + fisher_information(b, w)
        chains, moved = _hmc.transition(
            _hmc.begin(y[rows], likelihood), likelihood, 1.0, metric, rng, largest=largest
        )
        largest *= np.exp(0.1 * (moved.mean() - ACCEPTANCE))
        y[rows] = chains.y
        root = _log_covariance.Exponential(u[rows], o + chains.y @ w, b)
        in_g, in_b = root.gradients(-root.value, basis=True)
        in_g = (in_g - 0.5) / size
        in_b = in_b / size
        in_b -= b * (b * in_b).sum(axis=0)
        ascent.step({"vectors": in_b, "weights": chains.y.T @ in_g, "offset": in_g.sum(axis=0)})
        learnt["vectors"] /= np.linalg.norm(learnt["vectors"], axis=0)
    exact = {name: value.astype(np.float64) for name, value in learnt.items()}
    exact["vectors"] /= np.linalg.norm(exact["vectors"], axis=0)
    return whitening, exact


def _begin(q: int, k: int, latents: int, rng: np.random.Generator) -> dict[str, Array]:
    """Random vectors and small weights; the first latent variable starts as the contrast."""
    vectors = rng.standard_normal((q, k))
    weights = 0.1 * rng.standard_normal((latents, k))
    weights[0] += q / k
    vectors /= np.linalg.norm(vectors, axis=0)
    return {"vectors": vectors, "weights": weights, "offset": np.zeros(k)}
