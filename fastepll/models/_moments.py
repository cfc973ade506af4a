"""What other software has where a mixture here has zero means: their moments, and their pixels."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import Array, real_array

Means: TypeAlias = Literal["error", "fold"]
_SMALL_MEAN = 0.01  # of the component's root total variance


def square_patch_shape(d: int) -> tuple[int, ...]:
    """Return the square patch of 1 or 3 channels that has d values.

    Examples
    --------
    >>> square_patch_shape(64), square_patch_shape(108)
    ((8, 8), (6, 6, 3))
    """
    for channels in (1, 3):
        p = math.isqrt(d // channels)
        if p > 0 and p * p * channels == d:
            return (p, p) if channels == 1 else (p, p, channels)
    raise ValueError(f"patch_shape must be given: {d} values are no square patch")


def zero_mean(
    weights: ArrayLike,
    mu: ArrayLike,
    covariances: ArrayLike,
    *,
    order: NDArray[np.intp] | None = None,
    means: Means,
    remove_patch_mean: bool = False,
) -> tuple[Array, Array]:
    """Weights (k,) and covariances (k, d, d) with the means folded in, the pixels in that order.

    Components of weight 0 are dropped.
    """
    if means not in ("error", "fold"):
        raise ValueError(f"means must be 'error' or 'fold', got {means!r}")
    w = real_array("weights", weights)
    m, s = real_array("means", mu), real_array("covariances", covariances)
    if w.ndim != 1 or m.shape[:1] != w.shape or m.ndim != 2 or s.shape != (*m.shape, m.shape[1]):
        raise ValueError(
            "weights, means and covariances must have shapes (k,), (k, d) and (k, d, d), "
            f"got {w.shape}, {m.shape} and {s.shape}"
        )
    w, m, s = w[w != 0], m[w != 0], s[w != 0]
    if order is not None:
        m, s = m[:, order], s[:, order[:, None], order]
    ratio = np.einsum("kd,kd->k", m, m) / np.maximum(np.einsum("kdd->k", s), 1e-300)
    if means == "error" and ratio.max(initial=0) > _SMALL_MEAN**2:
        raise ValueError(
            "means must be 0: components here have mean zero, and component "
            f"{ratio.argmax()} has one of {math.sqrt(ratio.max()):.3g} of its root total "
            "variance; means='fold' adds them to the covariances"
        )
    s = s + m[:, :, None] * m[:, None, :]
    if remove_patch_mean:
        s = s - s.mean(axis=1, keepdims=True)
        s -= s.mean(axis=2, keepdims=True)
    return w, s
