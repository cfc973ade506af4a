"""What patches tell of the noise: the NumPy definition, where the compiled core is not installed.

`patch_statistics` and `conditional_log_probs` of ``csrc/noise.hpp`` give the same in float32.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastepll.typing import FloatArray

Float64 = NDArray[np.float64]
CHUNK = 4096  # patches at a time


def constant(plane: NDArray[np.float32], side: int) -> NDArray[np.bool_]:
    """Whether each pixel lies in a square of that side whose pixels are all exactly equal."""
    inside = np.zeros(plane.shape, bool)
    if min(plane.shape) < side:
        return inside
    down, right = plane[1:] == plane[:-1], plane[:, 1:] == plane[:, :-1]
    steps = (
        sliding_window_view(down, (side - 1, side)).all(axis=(2, 3)),
        sliding_window_view(right, (side, side - 1)).all(axis=(2, 3)),
    )
    corners = steps[0] & steps[1]
    height, width = corners.shape
    for y in range(side):
        for x in range(side):
            inside[y : y + height, x : x + width] |= corners
    return inside


def patch_statistics(
    plane: NDArray[np.float32],
    corners: NDArray[np.int32],
    shape: tuple[int, int],
    high: FloatArray,
    side: int,
) -> NDArray[np.float32]:
    """Of the patches at corners (n, 2): roughness, high frequencies and ties, (n, 3).

    Roughness is the squared norm of the mean-free patch without its components along the rows of
    ``high`` (h, d), whose squared norm is the second number; ties is how many pixels have the
    value of the patch's smallest pixel, or its largest one if these are more. Roughness is
    infinite, and the others 0, for patches with a pixel in a constant square (`constant`).
    """
    result = np.zeros((len(corners), 3), np.float32)
    windows, flat = (
        sliding_window_view(a, shape) for a in (plane, constant(plane, side).astype(bool))
    )
    for start in range(0, len(corners), CHUNK):
        part = slice(start, start + CHUNK)
        y, x = corners[part].T
        patches = windows[y, x].reshape(len(y), -1).astype(np.float64)
        ends = patches.min(axis=1, keepdims=True), patches.max(axis=1, keepdims=True)
        centred = patches - patches.mean(axis=1, keepdims=True)
        high_norm = np.square(centred @ high.T.astype(np.float64)).sum(axis=1)
        result[part, 0] = np.maximum(np.square(centred).sum(axis=1) - high_norm, 0)
        result[part, 1] = high_norm
        result[part, 2] = np.maximum(*((patches == end).sum(axis=1) for end in ends))
        result[part][flat[y, x].any(axis=(1, 2))] = np.inf, 0, 0
    return result


def conditional_log_probs(
    squared_norms: NDArray[np.float32], precisions: Float64, offsets: Float64, n_low: int
) -> Float64:
    """Log density of the high bands given the low ones, (n, s), for each of s noise levels.

    Component k has log density ``offsets[s, 1, k] - precisions[s, :, k] @ squared_norms / 2`` for
    all bands (n, b), and ``offsets[s, 0, k] - ...`` for the first ``n_low`` of them.
    """
    result = np.empty((len(squared_norms), len(precisions)))
    for s, (precision, (first, both)) in enumerate(zip(precisions, offsets, strict=True)):
        low = -0.5 * (squared_norms[:, :n_low] @ precision[:n_low])
        high = low - 0.5 * (squared_norms[:, n_low:] @ precision[n_low:])
        result[:, s] = log_sum(high + both) - log_sum(low + first)
    return result


def log_sum(values: Float64) -> Float64:
    """Log of the sum of exp over the last axis."""
    peak = values.max(axis=-1)
    total: Float64 = peak + np.log(np.exp(values - peak[:, None]).sum(axis=-1))
    return total
