"""Periodic convolution by the fast Fourier transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._portable import Portable
from fastepll.typing import FloatArray

SMALL = 1e-3
"""τ below which (AᵀA + τI)⁻¹ amplifies the rounding of float32 too much: then in float64."""


class Fourier(Portable):
    """A kernel on a periodic grid.

    Parameters
    ----------
    kernel : (p, q) array
        Centred at ((p - 1) // 2, (q - 1) // 2), no larger than the grid.
    shape : (int, int)
        Sides of the grid.
    """

    def __init__(self, kernel: NDArray[np.float64], shape: Sequence[int]) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        grid = np.zeros(self.shape)
        grid[: kernel.shape[0], : kernel.shape[1]] = kernel
        centre = [-((n - 1) // 2) for n in kernel.shape]
        transfer = np.fft.rfft2(np.roll(grid, centre, axis=(0, 1)))
        self.power = np.abs(transfer) ** 2
        self._transfer = {np.dtype(t): transfer.astype(c) for t, c in KINDS}
        self._conjugate = {t: h.conj() for t, h in self._transfer.items()}

    def transfer(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Half spectrum of the kernel for arrays of that real dtype."""
        return self._transfer[dtype]

    def convolve(self, x: FloatArray) -> FloatArray:
        """H x."""
        return self.filter(x, self._transfer[x.dtype])

    def correlate(self, y: FloatArray) -> FloatArray:
        """Hᵀ y."""
        return self.filter(y, self._conjugate[y.dtype])

    def blur_and_filter(self, x: FloatArray, multiplier: NDArray[Any]) -> FloatArray:
        """H x with its half spectrum multiplied."""
        return self.filter(x, self._transfer[x.dtype] * multiplier)

    def filter(self, x: FloatArray, multiplier: NDArray[Any]) -> FloatArray:
        """X with its half spectrum multiplied."""
        return multiply(x, multiplier)

    def laplacian(self) -> NDArray[np.float64]:
        """Half spectrum of ∇ᵀ∇ on the grid."""
        rows, cols = (2 - 2 * np.cos(2 * np.pi * np.arange(n) / n) for n in self.shape)
        return np.asarray(rows[:, None] + cols[: self.shape[1] // 2 + 1])


def multiply(x: FloatArray, multiplier: NDArray[Any]) -> FloatArray:
    """X with its half spectrum multiplied.

    Unitary transforms: numpy's forward one of float32 was several times slower without a factor.
    """
    spectrum = np.fft.rfft2(x, norm="ortho")
    spectrum *= multiplier
    return np.fft.irfft2(spectrum, x.shape, norm="ortho").astype(x.dtype, copy=False)


def fast_length(n: int) -> int:
    """Least m >= n that has only the factors 2, 3 and 5."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-n // three)
            best = min(best, three << (rest - 1).bit_length())
            three *= 3
        five *= 5
    return best


KINDS = ((np.float32, np.complex64), (np.float64, np.complex128))


def precise(x: FloatArray, weight: float) -> FloatArray:
    """X in float64 if the weight of the regularisation is `SMALL`."""
    return x.astype(np.float64, copy=False) if weight < SMALL else x
