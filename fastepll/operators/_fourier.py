"""Periodic convolution by the fast Fourier transform: SciPy's where it is installed, or NumPy's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._portable import Portable
from fastepll.typing import FloatArray

SMALL = 1e-3
"""τ below which (AᵀA + τI)⁻¹ amplifies the rounding of float32 too much: then in float64."""

LARGE = 2**19
"""Values of a grid from which SciPy's transforms save more than their import takes."""

_n_threads: ContextVar[int] = ContextVar("n_threads", default=1)


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
    """X with its half spectrum multiplied."""
    spectrum = half_spectrum(x)
    spectrum *= multiplier
    return from_half_spectrum(spectrum, x.shape).astype(x.dtype, copy=False)


def half_spectrum(x: FloatArray) -> NDArray[Any]:
    """Unitary transform: NumPy's of float32 was several times slower without a factor."""
    library = scipy_fft() if x.size >= LARGE else None
    if library is None:
        return np.fft.rfft2(x, norm="ortho")
    spectrum: NDArray[Any] = library.rfft2(x, norm="ortho", workers=_n_threads.get())
    return spectrum


def from_half_spectrum(spectrum: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The array of that shape; its half spectrum is overwritten."""
    library = scipy_fft() if shape[0] * shape[1] >= LARGE else None
    if library is None:
        return np.fft.irfft2(spectrum, shape, norm="ortho")
    x: NDArray[Any] = library.irfft2(
        spectrum, shape, norm="ortho", workers=_n_threads.get(), overwrite_x=True
    )
    return x


@cache
def scipy_fft() -> Any:
    """The module, imported when it is first wanted, or None without SciPy."""
    try:
        from scipy import fft
    except ImportError:
        return None
    return fft


@contextmanager
def transforms_on(n_threads: int) -> Iterator[None]:
    """Let the transforms of this thread use so many threads in a block; elsewhere they use one."""
    token = _n_threads.set(n_threads)
    try:
        yield
    finally:
        _n_threads.reset(token)


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
