"""Learning the vectors and weights of Karklin & Lewicki's model, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import Array
from fastepll.priors import _log_covariance
from fastepll.priors._inference import hmc
from fastepll.priors._inference.adam import Adam
from fastepll.priors._log_covariance import fisher_information, likelihood_of
from fastepll.priors.ais import check_count
from fastepll.priors.base import training_coordinates

ACCEPTANCE = 0.7  # of the chains, to which the step length adapts


class Options(NamedTuple):
    """Options of `KarklinLewicki.fit`."""

    n_latents: SupportsIndex
    n_vectors: SupportsIndex | None
    n_epochs: SupportsIndex
    batch: SupportsIndex
    rate: float


def learn(
    patches: ArrayLike, patch_shape: Sequence[int], seed: int, options: Options
) -> tuple[Array, dict[str, Array]]:
    """Whitening and the other parameters; see `KarklinLewicki.fit`."""
    c = training_coordinates(patches, patch_shape)
    n, q = c.shape
    k = 2 * q if options.n_vectors is None else check_count("n_vectors", options.n_vectors, 1)
    latents = check_count("n_latents", options.n_latents, 1)
    size = min(check_count("batch", options.batch, 1), n)
    values, axes = np.linalg.eigh(c.T @ c / n)
    if values[0] <= 1e-12 * values[-1]:
        raise ValueError("patches must have variance in every direction without mean")
    whitening = axes / np.sqrt(values)
    rng = np.random.default_rng(seed)
    u: NDArray[Any] = (c @ whitening).astype(np.float32)
    learnt: dict[str, NDArray[Any]] = {
        name: value.astype(np.float32) for name, value in _begin(q, k, latents, rng).items()
    }
    n_steps = check_count("n_epochs", options.n_epochs, 1) * (n // size)
    ascent, largest = Adam(learnt, options.rate, n_steps), 0.3
    y: NDArray[Any] = np.zeros((n, latents), np.float32)
    order = np.empty(0, np.intp)
    for _ in range(n_steps):
        if len(order) < size:
            order = rng.permutation(n)
        rows, order = order[:size], order[size:]
        b, w, o = learnt["vectors"], learnt["weights"], learnt["offset"]
        likelihood = likelihood_of(u[rows], b, w, o)
        metric = np.eye(latents) + fisher_information(b, w)
        chains, moved = hmc.transition(
            hmc.begin(y[rows], likelihood), likelihood, 1.0, metric, rng, largest=largest
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
