"""MAP estimates of patches by gradient ascent, for priors with no closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastepll.models._arrays import Array

ARMIJO = 1e-4
SMALLEST = 1e-6  # step, in units of sigma²


def map_by_gradient(
    noisy: Array,
    sigma: float,
    log_prob: Callable[[Array], Array],
    score: Callable[[Array], Array],
    *,
    iterations: int = 60,
    tolerance: float = 1e-3,
) -> Array:
    """Maximise log p(z) - ‖z - y‖² / 2σ² over each row z, from z = y.

    Gradient ascent with the step lengths of Barzilai & Borwein (IMA J. Numer. Anal. 1988), halved
    until the objective rises enough; each row has its own, and stops when it has no step that
    changes it by more than ``tolerance`` sigma.

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
        (n, q); the objective of no row is below that of its start.
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
    step = np.full(len(z), 0.5 * variance)
    for _ in range(iterations):
        if not len(rows):
            break
        power = (slope**2).sum(axis=1)
        moved, reached = z + step[:, None] * slope, value.copy()
        waiting = np.arange(len(z))
        while len(waiting):
            reached[waiting] = objective(moved[waiting], y[waiting])
            rise = reached[waiting] - value[waiting]
            bad = ~(rise >= ARMIJO * step[waiting] * power[waiting])  # NaN is bad
            waiting = waiting[bad]
            step[waiting] /= 4
            stuck = step[waiting] < SMALLEST * variance
            moved[waiting] = z[waiting] + step[waiting, None] * slope[waiting]
            moved[waiting[stuck]], reached[waiting[stuck]] = (
                z[waiting[stuck]],
                value[waiting[stuck]],
            )
            waiting = waiting[~stuck]
        next_slope = gradient(moved, y)
        dz, dg = moved - z, slope - next_slope
        result[rows] = moved
        curvature = (dz * dg).sum(axis=1)
        length = (dz**2).sum(axis=1)
        step = np.where(curvature > 0, length / np.maximum(curvature, 1e-300), 4 * step)
        step = np.clip(step, SMALLEST * variance, variance * 1e2)
        going = length > (tolerance * sigma) ** 2
        rows, z, y = rows[going], moved[going], y[going]
        value, slope, step = reached[going], next_slope[going], step[going]
    return result
