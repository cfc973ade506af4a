"""Maximum likelihood of complete ICA with scale-mixture sources: online EM, quasi-Newton steps."""

from __future__ import annotations

import numpy as np

from fastepll._validation.model_arrays import Array
from fastepll.priors._inference.em import FLOOR, fit_scale_mixture
from fastepll.priors._marginals import ScaleMixtureMarginals, scale_posterior

BLOCK = 1024
MOMENTUM = 0.9  # of the quasi-Newton steps
RATE_EM = 0.2  # of the statistics of the scale mixtures
CURVATURE = 0.1  # least curvature a step believes in; that of a pair of whitened sources is >= 0


def fit_ica(
    c: Array, *, seed: int, n_scales: int, steps: int, batch: int
) -> tuple[Array, ScaleMixtureMarginals]:
    """Unmixing matrix (q, q) and marginals of coordinates (n, q); see `ICA.fit`."""
    if steps < 1 or batch < 1:
        raise ValueError(f"steps and batch must be at least 1, got {steps} and {batch}")
    rng = np.random.default_rng(seed)
    powers, axes = np.linalg.eigh(c.T @ c / len(c))
    if powers[0] <= 1e-12 * powers[-1]:
        raise ValueError("patches must span all mean-free patches; give more of them")
    whitening = (axes / np.sqrt(powers)).T
    white = c @ whitening.T
    rotation = np.linalg.qr(rng.standard_normal(whitening.shape))[0]
    start = fit_scale_mixture(white[:20000] @ rotation.T, n_scales=n_scales, iterations=10)
    mass, power = start.weights, start.weights * start.variances
    velocity = np.zeros_like(rotation)
    for step in range(steps):
        rate = min(1.0, 2 * (1 - step / steps))
        weights = mass / mass.sum(axis=1, keepdims=True)
        variances = np.maximum(power / np.maximum(mass, 1e-300), FLOOR)
        rows = white[rng.integers(0, len(white), batch)]
        slope, curvature, new_mass, new_power = statistics(rows @ rotation.T, weights, variances)
        mass = mass + RATE_EM * rate * (new_mass - mass)
        power = power + RATE_EM * rate * (new_power - power)
        velocity = MOMENTUM * velocity - rate * pairwise_newton(slope, curvature)
        rotation = rotation + velocity @ rotation
    marginals = fit_scale_mixture(white @ rotation.T, n_scales=n_scales)
    return rotation @ whitening, marginals


def statistics(sources: Array, weights: Array, variances: Array) -> tuple[Array, ...]:
    """Means over rows s (n, m), u the expected precision of each source given its value.

    Returns u_i s_i s_j (the gradient of -log q, m, m), u_i s_j² (its curvature for given scales,
    m, m), and the probabilities of the scales, without and with s_j² (m, n_scales).
    """
    m, n_scales = weights.shape
    slope, curvature = np.zeros((m, m)), np.zeros((m, m))
    mass, power = np.zeros((m, n_scales)), np.zeros((m, n_scales))
    for start in range(0, len(sources), BLOCK):
        s = sources[start : start + BLOCK]
        squares = s**2
        posterior, _ = scale_posterior(squares, weights, variances)
        precision = np.einsum("knj,jk->nj", posterior, 1 / variances)
        slope += (precision * s).T @ s
        curvature += precision.T @ squares
        mass += posterior.sum(axis=1).T
        power += np.einsum("knj,nj->jk", posterior, squares)
    return tuple(total / len(sources) for total in (slope, curvature, mass, power))


def pairwise_newton(slope: Array, curvature: Array) -> Array:
    """Step E (m, m), zero on the diagonal, for W ← W - E W.

    For each pair it minimises the loss to second order, (h_ij E_ij² + h_ji E_ji²) / 2 + E_ij E_ji
    - g_ij E_ij - g_ji E_ji; the product is from -log|det W|. What the curvature lacks to
    `CURVATURE` is added.
    """
    half, middle = (curvature - curvature.T) / 2, (curvature + curvature.T) / 2
    least = middle - np.sqrt(half**2 + 1)
    h = curvature + np.maximum(CURVATURE - least, 0)
    step: Array = (h.T * slope - slope.T) / (h * h.T - 1)
    np.fill_diagonal(step, 0)
    return step
