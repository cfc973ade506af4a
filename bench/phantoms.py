"""Volumes whose truth is known."""

from __future__ import annotations

import numpy as np
from protocol import Image, bsd68
from scipy.ndimage import gaussian_filter, shift


def balls(side: int = 64, seed: int = 0) -> Image:
    """Dead leaves in space: gray balls of radius 3 to 20 (density r⁻³) that hide one another."""
    rng, up = np.random.default_rng(seed), 2
    n = up * side
    grid, volume = np.arange(n), np.full((n, n, n), np.nan)
    while np.isnan(volume).mean() > 0.01:
        radius = up * (3**-2 - (3**-2 - 20**-2) * rng.random()) ** -0.5
        centre, value = rng.uniform(-radius, n + radius, 3), rng.random()
        low = np.clip(np.floor(centre - radius), 0, n).astype(int)
        high = np.clip(np.ceil(centre + radius) + 1, 0, n).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = np.ix_(*(np.square(grid[s] - c) for s, c in zip(box, centre, strict=True)))
        part = volume[box]
        part[(z + y + x <= radius**2) & np.isnan(part)] = value
    whole = np.nan_to_num(volume, nan=0.5).reshape(side, up, side, up, side, up)
    return np.asarray(whole.mean((1, 3, 5)))


def filaments(side: int = 64, seed: int = 0) -> Image:
    """Bright threads that wander over an uneven ground, as under a microscope."""
    rng = np.random.default_rng(seed)
    threads = np.zeros((side,) * 3)
    for _ in range(40):
        place, way = rng.uniform(0, side, 3), rng.standard_normal(3)
        while (place >= 0).all() and (place < side).all():
            threads[tuple(place.astype(int))] += 1
            way += 0.15 * np.linalg.norm(way) * rng.standard_normal(3)
            place = place + 0.5 * way / np.linalg.norm(way)
    threads = gaussian_filter(threads, 1.2)
    ground = gaussian_filter(rng.standard_normal(threads.shape), 6)
    ground = (ground - ground.min()) / np.ptp(ground)
    return np.asarray(0.2 + 0.25 * ground + 0.55 * np.minimum(threads / threads.max(), 0.6) / 0.6)


def pan(n_frames: int = 16, side: int = 128, image: int = 0, seed: int = 0) -> Image:
    """Frames of a camera that moves over a photograph of bsd68, up to 1.5 pixels a frame."""
    velocity = np.random.default_rng(seed).uniform(-1.5, 1.5, 2)
    whole = bsd68()[image]
    frames = [shift(whole, velocity * k, order=3, mode="reflect") for k in range(n_frames)]
    top, left = ((n - side) // 2 for n in whole.shape)
    return np.clip(np.stack(frames)[:, top : top + side, left : left + side], 0, 1)


PHANTOMS = {"balls": balls, "filaments": filaments, "pan": pan}
