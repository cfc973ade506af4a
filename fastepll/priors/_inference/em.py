"""Fits of independent coordinates; scale mixtures by EM on histograms of their magnitudes."""

from __future__ import annotations

from typing import get_args

import numpy as np

from fastepll._validation.model_arrays import Array
from fastepll.priors._marginals import (
    Form,
    GaussianMarginals,
    LaplaceMarginals,
    Marginals,
    ScaleMixtureMarginals,
    scale_posterior,
)

BINS = 2048  # of log |x|: each 0.9 % wide, which moves a log density by less than 1e-4
RANGE = (1e-6, 1e2)  # of |x|, in units of its root mean square
FLOOR = 1e-8  # least variance of a scale, in units of the mean square
BLOCK = 8192


def fit_marginals(x: Array, form: Form, *, n_scales: int = 8, iterations: int = 100) -> Marginals:
    """Fit marginals of that form to rows x (n, m) by maximum likelihood."""
    if form == "gaussian":
        return GaussianMarginals((x**2).mean(axis=0))
    if form == "laplace":
        return LaplaceMarginals(abs(x).mean(axis=0))
    if form == "scale-mixture":
        return fit_scale_mixture(x, n_scales=n_scales, iterations=iterations)
    raise ValueError(f"marginals must be one of {get_args(Form)}, got {form!r}")


def fit_scale_mixture(
    x: Array, *, n_scales: int = 8, iterations: int = 100
) -> ScaleMixtureMarginals:
    """Fit weights and variances to rows x (n, m) by EM from a log-spaced grid of variances."""
    if n_scales < 1:
        raise ValueError(f"n_scales must be at least 1, got {n_scales}")
    counts, squares = histogram(x)
    power = ((counts * squares).sum(axis=0) / counts.sum(axis=0))[:, None]
    grid = np.logspace(-4, 1.5, n_scales) if n_scales > 1 else np.ones(1)
    start = ScaleMixtureMarginals(np.full((len(power), n_scales), 1 / n_scales), power * grid)
    return improve(start, counts, squares, iterations=iterations)


def improve(
    marginals: ScaleMixtureMarginals, counts: Array, squares: Array, *, iterations: int
) -> ScaleMixtureMarginals:
    """Take EM iterations on the histogram of the coordinates' magnitudes."""
    weights, variances = marginals.weights, marginals.variances
    floor = FLOOR * ((counts * squares).sum(axis=0) / counts.sum(axis=0))[:, None]
    for _ in range(iterations):
        mass, _ = scale_posterior(squares, weights, variances)
        mass *= counts
        total = mass.sum(axis=1).T
        weights = total / total.sum(axis=1, keepdims=True)
        power = np.einsum("kbm,bm->mk", mass, squares)
        variances = np.where(total > 0, power / np.maximum(total, 1e-300), variances)
        variances = np.maximum(variances, floor)
    return ScaleMixtureMarginals(weights, variances)


def histogram(x: Array) -> tuple[Array, Array]:
    """Counts (BINS, m) of rows by log |x|, and the mean x² of each bin; empty bins are dropped."""
    power = (x**2).mean(axis=0)
    if (power == 0).any():
        raise ValueError("patches must vary along every coordinate, got one that is constant")
    low, high = np.log(RANGE[0]), np.log(RANGE[1])
    m = x.shape[1]
    counts, sums = np.zeros(BINS * m), np.zeros(BINS * m)
    for start in range(0, len(x), BLOCK):
        square = x[start : start + BLOCK] ** 2
        place = 0.5 * np.log(np.maximum(square / power, RANGE[0] ** 2)) - low
        bins = np.minimum(place * (BINS / (high - low)), BINS - 1).astype(np.intp)
        index = (bins * m + np.arange(m)).ravel()
        counts += np.bincount(index, minlength=BINS * m)
        sums += np.bincount(index, square.ravel(), minlength=BINS * m)
    counts, sums = counts.reshape(BINS, m), sums.reshape(BINS, m)
    used = counts.any(axis=1)
    return counts[used], sums[used] / np.maximum(counts[used], 1)
