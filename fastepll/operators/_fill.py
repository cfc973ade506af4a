"""Smooth guesses of images known pixel by pixel, some well, some hardly, some not: coarse to fine.

A pixel is known by v = Σ g y and w = Σ g² over measurements y = g x. Half the size, whose v and w
are the sums over 2×2 pixels, is guessed first. Enlarged it is what a pixel is taken for as far as
it is not known, and diffusion smooths that. A pixel depends on no more than `HALO` pixels around
it and the coarser image there, so that parts of an image can be computed by themselves.
"""

from __future__ import annotations

import numpy as np

from fastepll.typing import FloatArray

HALO = 8  # steps of diffusion, each of which looks one pixel further; even


def fill(v: FloatArray, w: FloatArray, mu: float) -> FloatArray:
    """Guess for planes v and w: (v + mu · coarser) / (w + mu), smoothed; mu may be 0."""
    if min(v.shape) < 2:
        total = w.sum(dtype=np.float64)
        return join(v, w, np.full_like(v, v.sum(dtype=np.float64) / total if total else 0), mu)
    if mu == 0 and w.all():
        return v / w
    return refine(v, w, fill(shrink(v), shrink(w), mu), mu)


def shrink(x: FloatArray) -> FloatArray:
    """Sums over 2×2 pixels, and what there is of them at the end of an odd side."""
    rows = x[0::2].copy()
    rows[: len(x) // 2] += x[1::2]
    result = rows[:, 0::2].copy()
    result[:, : x.shape[1] // 2] += rows[:, 1::2]
    return result


def refine(
    v: FloatArray, w: FloatArray, half: FloatArray, mu: float, skip: tuple[int, int] = (0, 0)
) -> FloatArray:
    """Guess from that of half the size; this begins ``skip`` coarse pixels further in both axes."""
    top, left = 2 * skip[0], 2 * skip[1]
    large = enlarge(enlarge(half).T).T[top : top + v.shape[0], left : left + v.shape[1]]
    x = join(v, w, large, mu)
    free = np.where(w + mu > 0, 0.24 * mu / np.maximum(w + mu, 1e-30), 0.24).astype(v.dtype)
    for _ in range(HALO):
        x -= free * laplacian(x)
    return x


def join(v: FloatArray, w: FloatArray, large: FloatArray, mu: float) -> FloatArray:
    """What is known, and as far as that is not, the enlarged image."""
    total = w + v.dtype.type(mu)
    known = (v + v.dtype.type(mu) * large) / np.where(total > 0, total, 1)
    return np.where(total > 0, known, large)


def enlarge(x: FloatArray) -> FloatArray:
    """Twice as many rows, by linear interpolation; constant beyond the border."""
    wide = np.pad(x, ((1, 1), (0, 0)), mode="edge")
    rows = np.empty((2 * len(x), x.shape[1]), x.dtype)
    near = x.dtype.type(0.75) * x
    rows[0::2] = near + x.dtype.type(0.25) * wide[:-2]
    rows[1::2] = near + x.dtype.type(0.25) * wide[2:]
    return rows


def laplacian(x: FloatArray) -> FloatArray:
    """∇ᵀ∇ x for the differences of neighbouring pixels, none across the border."""
    result = np.zeros_like(x)
    rows, cols = np.diff(x, axis=0), np.diff(x, axis=1)
    result[:-1] -= rows
    result[1:] += rows
    result[:, :-1] -= cols
    result[:, 1:] += cols
    return result
