"""Colour: the planes in which an image of several channels is restored one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHROMA_SCALE = 1.0


@dataclass(frozen=True, eq=False)
class Planes:
    """Linear map between C channels and C planes.

    Attributes
    ----------
    analysis : (C, C) array
        Plane c is ``analysis[c] @ channels``.
    synthesis : (C, C) array
        Its inverse.
    gains : (C,) array
        White noise of standard deviation 1 in every channel has ``gains[c]`` in plane c, and the
        noise of different planes is uncorrelated.
    """

    analysis: NDArray[np.float64]
    synthesis: NDArray[np.float64]
    gains: NDArray[np.float64]


def dct_matrix(n: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II, (n, n): row u is the cosine of frequency u, row 0 the mean times √n."""
    u, i = np.arange(n)[:, None], np.arange(n)
    matrix: NDArray[np.float64] = np.cos(np.pi * u * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
    matrix[0] = n**-0.5
    return matrix


def opponent_planes(n_channels: int, chroma_scale: float = CHROMA_SCALE) -> Planes:
    """Planes for ``n_channels`` >= 1: an orthonormal transform, each plane then scaled."""
    basis = dct_matrix(n_channels)
    gains = np.full(n_channels, chroma_scale)
    gains[0] = n_channels**-0.5
    return Planes(basis * gains[:, None], basis.T / gains, gains)
