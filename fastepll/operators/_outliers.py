"""Pixels far noisier than those around them: guessed from these, and how well that can be done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastepll.operators._fill import enlarge, fill, shrink
from fastepll.typing import FloatArray

DETAIL = 0.1
"""Noise above which a pixel tells little, in units of the data range; see `level_of`."""

STEP = 0.03
"""Standard deviation, about, of a pixel from the mean of 2×2 that it is one of."""

GROWTH = 1.4
"""Of the variance from one size of the image to half of it."""

RATIO = 2.0
"""Of a pixel's noise to that around it, from which on it is an outlier."""

NEAR = 2  # pixels on either side that are "around"


def level_of(sigma: FloatArray) -> float:
    """Noise level for which a schedule is chosen where every pixel has its own.

    Root mean square with the weights ``(σ² + DETAIL²)⁻²``, the square of what a pixel tells: pixels
    that tell next to nothing hardly count, nor do few that are known exactly for more than others.
    """
    variance = np.square(sigma, dtype=np.float64)
    weights = (variance + DETAIL**2) ** -2
    return float(np.sqrt(np.sum(weights * variance) / np.sum(weights)))


def largest(sigma: FloatArray) -> float:
    """Most noise of a pixel once outliers are guessed; `level_of` where there are no neighbours."""
    level = level_of(sigma)
    if sigma.ndim != 2:
        return level
    found = outliers(sigma, level)
    return float(np.max(sigma if found is None else noise_left(sigma, found)))


def outliers(sigma: FloatArray, level: float) -> NDArray[np.bool_] | None:
    """Pixels that tell little beside those around them, or at all; None if there are none."""
    if sigma.max() <= RATIO * level:
        return None
    precision = np.minimum(1 / np.maximum(sigma, level), 1 / level) ** 2
    around = precision
    for axis in (0, 1):
        sides = [(NEAR, NEAR) if k == axis else (0, 0) for k in (0, 1)]
        wide = np.pad(around, sides, mode="edge")
        n = around.shape[axis]
        around = np.mean(
            [np.take(wide, range(i, i + n), axis) for i in range(2 * NEAR + 1)], axis=0
        )
    found = RATIO**2 * precision < around
    found |= sigma > max(RATIO * level, 10 * DETAIL)
    return found if found.any() else None


def doubt(precision: FloatArray, step: float) -> FloatArray:
    """Variance of a pixel given all but itself, as far as others tell more, from coarse to fine.

    A tree of means of 2×2 pixels, each of which differs from the mean it belongs to by ``step``.
    """
    of_pixel = precision / (1 + precision * step)
    half = shrink(of_pixel)
    if min(half.shape) < 2:
        return np.full_like(precision, step + 1 / max(float(half.sum()), 1e-6))
    above = 1 / (half + 1 / doubt(half, GROWTH * step))
    rows, cols = precision.shape
    return enlarge(enlarge(above).T).T[:rows, :cols] + np.float32(step)


def noise_left(sigma: FloatArray, found: NDArray[np.bool_]) -> FloatArray:
    """Noise of an image whose outliers are drawn to a guess."""
    precision = (1 / np.maximum(sigma, 1e-3) ** 2).astype(np.float32)
    reached = np.sqrt(np.minimum(np.square(sigma), doubt(precision, STEP**2)))
    return np.where(found, reached, sigma).astype(sigma.dtype)


def settled(
    image: FloatArray, sigma: FloatArray, found: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """The image (..., height, width) with its outliers drawn to a guess, and its noise then."""
    precision = (1 / np.maximum(sigma, 1e-3) ** 2).astype(image.dtype)
    noise = noise_left(sigma, found)
    drawn = (1 - np.square(noise[found] / sigma[found])).astype(image.dtype)
    result = image.copy()
    for plane in result.reshape(-1, *image.shape[-2:]):
        guess = fill(precision * plane, precision, STEP**-2)
        plane[found] += drawn * (guess[found] - plane[found])
    return result, noise
