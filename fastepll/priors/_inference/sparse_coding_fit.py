"""Learning the dictionary and the scales of overcomplete sparse coding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.model_arrays import Array
from fastepll.priors import _linear_gaussian as linear
from fastepll.priors._inference.adam import Adam
from fastepll.priors._inference.gibbs import draw_variances
from fastepll.priors.ais import check_count
from fastepll.priors.base import training_coordinates

RANGE = (1e-4, 30.0)  # of the first scales, times the mean variance of a source
MEMORY = 50  # batches over which sums for variances and weights are averaged
FLOOR = 1e-6  # least weight; least variance, times the mean


class Options(NamedTuple):
    """Options of `SparseCoding.fit`."""

    n_sources: SupportsIndex | None
    n_scales: SupportsIndex
    noise_variance: float
    n_epochs: SupportsIndex
    batch: SupportsIndex
    rate: float


def learn(
    patches: ArrayLike, patch_shape: Sequence[int], seed: int, options: Options
) -> dict[str, Array]:
    """Parameters of `SparseCoding`; see its ``fit``."""
    x = training_coordinates(patches, patch_shape)
    n, q = x.shape
    m = 2 * q if options.n_sources is None else check_count("n_sources", options.n_sources, 1)
    k = check_count("n_scales", options.n_scales, 1)
    size = min(check_count("batch", options.batch, 1), n)
    n_steps = check_count("n_epochs", options.n_epochs, 1) * (n // size)
    noise, rng = np.full(size, options.noise_variance), np.random.default_rng(seed)
    values, axes = np.linalg.eigh(x.T @ x / n)
    root = axes * np.sqrt(np.maximum(values, 0))  # the dictionary is root @ white
    white = {"white": _unit_columns(rng.standard_normal((q, m)))}
    ascent = Adam(white, options.rate, n_steps)
    variances = np.tile(q / m * np.geomspace(*RANGE, k), (m, 1))
    weights = np.full((m, k), 1 / k)
    d = np.full((n, m), q / m)
    counts, squares = weights.copy(), weights * variances
    order = np.empty(0, np.intp)
    for step in range(n_steps):
        if len(order) < size:
            order = rng.permutation(n)
        rows, order = order[:size], order[size:]
        dictionary = root @ white["white"]
        covariance = linear.covariances(dictionary, d[rows])
        drawn = linear.draw(x[rows], noise, dictionary, d[rows], covariance, rng=rng)
        in_dictionary = _outer(drawn.solved, d[rows], dictionary)
        in_dictionary -= _outer(drawn.probe, d[rows], dictionary)
        share = _responsibilities(drawn.sources, variances, weights)
        gain = max(1 / (step + 1), 1 / MEMORY)
        counts += gain * (share.mean(axis=0) - counts)
        square = drawn.sources[:, :, None] ** 2
        squares += gain * ((share * square).mean(axis=0) - squares)
        d[rows] = draw_variances(drawn.sources, variances, weights, rng)
        slope = root.T @ in_dictionary / size
        slope -= white["white"] * (white["white"] * slope).sum(axis=0)
        ascent.step({"white": slope})
        white["white"] = _unit_columns(white["white"])
        if step > MEMORY // 2:
            weights = (counts + FLOOR) / (counts + FLOOR).sum(axis=1, keepdims=True)
            variances = (squares + FLOOR * variances) / (counts + FLOOR)
            variances = np.maximum(variances, FLOOR * q / m)
    dictionary = root @ white["white"]
    norms = np.linalg.norm(dictionary, axis=0)
    return {
        "dictionary": dictionary / norms,
        "variances": variances * norms[:, None] ** 2,
        "weights": weights,
        "noise_variance": np.array([options.noise_variance]),
    }


def _outer(a: Array, d: Array, dictionary: Array) -> Array:
    """Sum over rows of a aᵀ A D, (q, m)."""
    return np.asarray(a.T @ (d * (a @ dictionary)))


def _responsibilities(s: Array, variances: Array, weights: Array) -> Array:
    """Probability of each scale given the source, (n, m, k)."""
    share = np.log(weights) - 0.5 * np.log(variances) - 0.5 * s[:, :, None] ** 2 / variances
    share -= share.max(axis=2, keepdims=True)
    np.exp(share, out=share)
    return np.asarray(share / share.sum(axis=2, keepdims=True))


def _unit_columns(matrix: Array) -> Array:
    """Columns scaled to norm 1."""
    return np.asarray(matrix / np.linalg.norm(matrix, axis=0))
