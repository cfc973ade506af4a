"""MAP estimates of patches by gradient, for priors with no closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastepll._validation.model_arrays import Array

ARMIJO = 1e-4
HALVINGS = 12  # of a step at most
MEMORY = 10  # pairs of steps and changes of slope


def map_by_gradient(
    noisy: Array,
    sigma: float,
    log_prob: Callable[[Array], Array],
    score: Callable[[Array], Array],
    *,
    iterations: int = 200,
    tolerance: float = 1e-3,
) -> Array:
    """Maximise log p(z) - ‖z - y‖² / 2σ² over each row z, from z = y.

    L-BFGS of each row by itself, with steps that are shortened until the objective rises enough. A
    row is done when a step changes it by less than ``tolerance`` sigma.

    Parameters
    ----------
    noisy : array, shape (n, q)
        y.
    sigma : float
        Standard deviation of the noise, > 0.
    log_prob, score : callable
        Log density (m,) of rows (m, q), and its gradient (m, q).

    Returns
    -------
    numpy.ndarray
        (n, q); the objective of no row is below that of its start. Where it has several modes, or
        ridges as sharp as those of sources that are nearly always zero, it may not be the highest.

    References
    ----------
    J. Nocedal, S. J. Wright, Numerical optimization, 2006, algorithm 7.4.
    """
    variance = sigma * sigma

    def objective(z: Array, y: Array) -> Array:
        return np.asarray(log_prob(z) - ((z - y) ** 2).sum(axis=1) / (2 * variance))

    def gradient(z: Array, y: Array) -> Array:
        return np.asarray(score(z) - (z - y) / variance)

    result = noisy.copy()
    rows = np.arange(len(noisy))
    z, y = noisy.copy(), noisy
    value, slope = objective(z, y), gradient(z, y)
    pairs: list[tuple[Array, Array, Array]] = []
    for _ in range(iterations):
        direction = _direction(slope, pairs, variance)
        rise = (direction * slope).sum(axis=1)
        step, moved = np.ones(len(z)), z + direction
        reached = objective(moved, y)
        for _ in range(HALVINGS):
            bad = np.flatnonzero(~(reached >= value + ARMIJO * step * rise))  # NaN is bad
            if not len(bad):
                break
            step[bad] /= 3
            moved[bad] = z[bad] + step[bad, None] * direction[bad]
            reached[bad] = objective(moved[bad], y[bad])
        worse = ~(reached >= value)
        moved[worse], reached[worse] = z[worse], value[worse]
        next_slope = gradient(moved, y)
        result[rows] = moved
        dz, fall = moved - z, slope - next_slope
        curvature = (dz * fall).sum(axis=1)
        pairs = [*pairs[1 - MEMORY :], (dz, fall, np.where(curvature > 0, curvature, np.inf))]
        going = np.flatnonzero((dz**2).sum(axis=1) > (tolerance * sigma) ** 2)
        if not len(going):
            break
        if len(going) < len(rows):
            pairs = [(a[going], b[going], c[going]) for a, b, c in pairs]
        rows, z, y = rows[going], moved[going], y[going]
        value, slope = reached[going], next_slope[going]
    return result


def _direction(slope: Array, pairs: list[tuple[Array, Array, Array]], variance: float) -> Array:
    """Ascent direction of each row; pairs whose curvature is infinite have no part in it."""
    direction, parts = slope.copy(), []
    for dz, fall, curvature in reversed(pairs):
        part = (dz * direction).sum(axis=1) / curvature
        direction -= part[:, None] * fall
        parts.append(part)
    scale = np.full(len(slope), 0.5 * variance)
    for _, fall, curvature in pairs:
        known = np.isfinite(curvature)
        scale[known] = (curvature / np.maximum((fall**2).sum(axis=1), 1e-300))[known]
    direction *= scale[:, None]
    for (dz, fall, curvature), part in zip(pairs, reversed(parts), strict=True):
        other = (fall * direction).sum(axis=1) / curvature
        direction += (part - other)[:, None] * dz
    return direction
