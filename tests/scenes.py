"""A small prior and synthetic scenes for tests that need no data."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastepll import GaussianMixture

Array = np.ndarray[Any, np.dtype[Any]]


def smooth_mixture(side: int = 6, channels: int = 0) -> GaussianMixture:
    """Flat, soft and contrasty patches: exponential correlation, mean removed."""
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm(grid[:, None] - grid, axis=-1)
    smooth = np.exp(-((distance / 6) ** 2)) + 1e-3 * np.exp(-distance / 2)
    shape: tuple[int, ...] = (side, side)
    if channels:
        smooth, shape = np.kron(smooth, np.eye(channels)), (side, side, channels)
    d = len(smooth)
    centre = np.eye(d) - 1 / d
    contrasts = np.array([0.003, 0.03, 0.1, 0.4])
    covariances = contrasts[:, None, None] ** 2 * (centre @ smooth @ centre)
    return GaussianMixture.from_covariances([0.3, 0.3, 0.3, 0.1], covariances, shape)


def scene(height: int = 64, width: int = 80) -> Array:
    """Edge, ramp and soft waves in [0.1, 0.9], float64."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = 0.15 * np.sin(9 * x) * np.cos(7 * y)
    return np.asarray(0.35 + 0.2 * y + waves + 0.25 * (x + 0.4 * y > 0.6))


def ramp(depth: int, height: int, width: int) -> Array:
    """Volume with soft waves and an edge that no axis is parallel to, in [0.1, 0.9], float64."""
    z, y, x = np.mgrid[:depth, :height, :width] / max(depth, height, width)
    waves = 0.15 * np.sin(9 * x + 4 * z) * np.cos(7 * y)
    return np.asarray(0.35 + 0.2 * y + waves + 0.25 * (x + 0.4 * y + 0.7 * z > 0.9))


def noisy(clean: Array, sigma: float, seed: int = 0) -> Array:
    """Scene with white Gaussian noise."""
    return np.asarray(clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape))


def rms(image: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(image, dtype=np.float64))))
