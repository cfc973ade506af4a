"""Colour: the planes in which an image of several channels is restored one by one.

The gray prior sees the luminance as the mean of the channels, whose noise is sigma/√C, and the
chroma planes as the orthonormal transform gives them. How they are scaled hardly matters: with the
shipped prior, ``bench/color.py --images 12`` at sigma 15 gives 32.73 / 32.78 / 32.79 / 32.77 /
32.77 / 32.73 dB for chroma times 0.35 / 0.58 / 1 / 2 / 4 / 8, and 30.47 dB for R, G, B one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def opponent_planes(n_channels: int) -> Planes:
    """Planes for ``n_channels`` >= 1: the mean of the channels, then the other rows of their DCT.

    For R, G, B these are (R + G + B)/3, (R - B)/√2 and (R - 2G + B)/√6; one channel stays as it is.
    """
    basis = dct_matrix(n_channels)
    gains = np.ones(n_channels)
    gains[0] = n_channels**-0.5
    return Planes(basis * gains[:, None], basis.T / gains, gains)
