"""Total-variation deconvolution, a baseline of ``bench/tasks.py``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastepll.operators._fourier import Fourier, fast_length

Image = NDArray[np.float64]


def deconvolve(
    y: Image,
    kernel: Image,
    window: tuple[slice, slice],
    shape: tuple[int, ...],
    weight: float,
) -> Image:
    """Minimise ½‖Ax - y‖² + weight Σ |∇x| over x of that shape, A the blur seen in the window.

    ADMM with u = Hx and v = ∇x on a periodic grid no smaller than the image, of which y constrains
    u in the window alone (Almeida & Figueiredo, Deconvolving images with unknown boundaries using
    the alternating direction method of multipliers, IEEE TIP 2013), 100 steps: after 300 the PSNR
    is the same to 0.05 dB. mu is the penalty of u, mu rho that of v.
    """
    mu, rho = 0.1, 0.05
    grid = (fast_length(shape[0]), fast_length(shape[1]))
    blur = Fourier(kernel, grid)
    seen, target = np.zeros(grid, np.float32), np.zeros(grid, np.float32)
    rows, cols = window
    pads = [(s.start, m - s.stop) for s, m in zip(window, grid, strict=True)]
    seen[rows, cols], target[rows, cols] = 1, y
    inverse = (1 / (blur.power + rho * blur.laplacian() + 1e-9)).astype(np.float32)
    u = np.pad(y.astype(np.float32), pads, mode="edge")
    v = np.stack(gradient(u))
    d, e = np.zeros_like(u), np.zeros_like(v)
    for _ in range(100):
        x = blur.filter(blur.correlate(u - d) + rho * divergence(v - e), inverse)
        hx, gx = blur.convolve(x), np.stack(gradient(x))
        u = (target + mu * (hx + d)) / (seen + mu)
        d += hx - u
        v = gx + e
        length = np.sqrt(v[0] ** 2 + v[1] ** 2)
        v *= np.maximum(1 - weight / (mu * rho) / np.maximum(length, 1e-12), 0)
        e += gx - v
    return x[: shape[0], : shape[1]].astype(np.float64)


def gradient(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Differences to the next row and column, around the border."""
    return np.roll(x, -1, axis=0) - x, np.roll(x, -1, axis=1) - x


def divergence(v: NDArray[np.float32]) -> NDArray[np.float32]:
    """Adjoint of the gradient."""
    return np.roll(v[0], 1, axis=0) - v[0] + np.roll(v[1], 1, axis=1) - v[1]
