"""Noise that was clipped at black or white: what it was before."""

from __future__ import annotations

import math

import numpy as np

from fastepll.typing import FloatArray


def unclipped(sigma: float, patches: FloatArray, low: float, high: float) -> float:
    """Sigma of noise that was clipped at the ends of the intensities, if they occur in the patches.

    By what clipping leaves of the variance of normal noise around the means of the patches.
    """
    ends = [
        end if (patches == end).mean() > 1e-3 else other
        for end, other in ((low, -math.inf), (high, math.inf))
    ]
    if not any(map(math.isfinite, ends)):
        return sigma
    means = patches[::8].mean(axis=(1, 2), dtype=np.float64).tolist()
    start = sigma
    for _ in range(8):
        kept = sum(clipped_variance(*((end - mean) / sigma for end in ends)) for mean in means)
        sigma = start / math.sqrt(max(kept / len(means), 0.25))
    return sigma


def clipped_variance(a: float, b: float) -> float:
    """Variance of a standard normal number clipped at a and b."""
    mean = square = 0.0
    for end, sign in ((a, -1), (b, 1)):
        if math.isinf(end):
            square += 0.5
            continue
        density = math.exp(-0.5 * end * end) / math.sqrt(2 * math.pi)
        inside = 0.5 * math.erf(sign * end / math.sqrt(2))
        outside = 0.5 - inside
        mean += -sign * density + outside * end
        square += inside - sign * end * density + outside * end * end
    return square - mean * mean
