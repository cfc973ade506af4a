"""Operators that treat each pixel for itself: identity, missing pixels, gain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.measurements import check_gain, check_mask, check_plane, check_sides
from fastepll.operators._fill import HALO, fill, refine, shrink
from fastepll.operators.base import GRADIENT, Operator
from fastepll.typing import FloatArray

ROWS = 64  # at a time, so that temporaries stay small; even


class Pixelwise(Operator):
    """A x = gain · x, pixel by pixel."""

    tested = True

    @abstractmethod
    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """Gain of the pixels of some rows."""

    def forward(self, x: FloatArray) -> FloatArray:
        """Gain times x."""
        x = check_plane("x", x, self.in_shape)
        return x * self.gain_of(slice(0, len(x)), x.dtype)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Gain times y."""
        return self.forward(check_plane("y", y, self.out_shape))

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve`; closed form."""
        rhs = check_plane("rhs", rhs, self.in_shape)
        return rhs / (self.gain_of(slice(0, len(rhs)), rhs.dtype) ** 2 + rhs.dtype.type(tau))

    def settle(self, average: FloatArray, y: FloatArray, tau: float) -> None:
        """Replace x̃ by the solution of (AᵀA + τI) x = Aᵀy + τ x̃, a few rows at a time."""
        weight = average.dtype.type(tau)
        for rows in strips(len(y)):
            gain, x = self.gain_of(rows, y.dtype), average[rows]
            x *= weight
            x += gain * y[rows]
            x /= gain * gain + weight

    def prior_weight(self, sigma: float) -> float:
        """Weight of the coarser image in the guess."""
        return max((sigma / GRADIENT) ** 2, 1e-6)

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """What is known, and a smooth fill from coarse to fine; a few rows at a time."""
        y = check_plane("y", y, self.out_shape)
        mu, (height, width) = self.prior_weight(sigma), y.shape

        def moments(rows: slice) -> tuple[FloatArray, FloatArray]:
            gain = self.gain_of(rows, y.dtype)
            return gain * y[rows], gain * gain

        if min(height, width) < 2:
            return fill(*moments(slice(0, height)), mu)
        v, w = np.empty((2, (height + 1) // 2, (width + 1) // 2), y.dtype)
        for rows in strips(height):
            half = slice(rows.start // 2, (rows.stop + 1) // 2)
            v[half], w[half] = (shrink(moment) for moment in moments(rows))
        coarse = fill(v, w, mu)
        del v, w
        x = np.empty_like(y)
        for rows in strips(height):
            first, last = max(rows.start - HALO, 0), min(rows.stop + HALO, height)
            top = max(first // 2 - 1, 0)
            half = slice(top, (last + 1) // 2 + 1)
            part = refine(*moments(slice(first, last)), coarse[half], mu, (first // 2 - top, 0))
            x[rows] = part[rows.start - first : rows.stop - first]
        return x


class Identity(Pixelwise):
    """A x = x: denoising.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    """

    kind = "identity"
    scale = 1.0
    response = (0.0, 1.0)

    def __init__(self, shape: Sequence[int]) -> None:
        shape = check_sides("shape", shape)
        super().__init__(shape, shape)

    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """Ones."""
        return np.ones((rows.stop - rows.start, self.in_shape[1]), dtype)

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """The measurement."""
        return check_plane("y", y, self.out_shape).copy()


class Diagonal(Pixelwise):
    """A x = gain · x, pixel by pixel: vignetting, flat fields, relative sensitivity.

    Parameters
    ----------
    gain : (height, width) array_like of float
        Finite; 0 where nothing is measured.

    Raises
    ------
    TypeError, ValueError
        The gain is not such an array.
    """

    kind = "diagonal"

    def __init__(self, gain: ArrayLike) -> None:
        self.gain = check_gain(gain)
        super().__init__(self.gain.shape, self.gain.shape)

    @property
    def response(self) -> tuple[float, float]:
        """Where the gain is least and largest."""
        return min(float(self.gain.min()), 0.0), max(float(self.gain.max()), 0.0)

    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """The gain."""
        return self.gain[rows].astype(dtype, copy=False)

    @kept
    def scale(self) -> float:
        """Root mean square of the gain; four digits, the same in whatever order it is summed."""
        return float(f"{np.linalg.norm(self.gain) / np.sqrt(self.gain.size):.4g}")


class Mask(Pixelwise):
    """A x = x where pixels are known, 0 where they are not: inpainting.

    Parameters
    ----------
    unknown : (height, width) array_like of bool
        True where a pixel is not known, as in ``skimage.restoration.inpaint_biharmonic``.

    Raises
    ------
    TypeError
        The mask is not of bool.
    ValueError
        It is not 2-D, or no pixel is known.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.operators import Mask
    >>> Mask([[False, True], [False, False]]).forward(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """

    kind = "mask"
    scale = 1.0
    response = (0.0, 1.0)

    def __init__(self, unknown: ArrayLike) -> None:
        self.unknown = check_mask(unknown)
        super().__init__(self.unknown.shape, self.unknown.shape)

    def forward(self, x: FloatArray) -> FloatArray:
        """X without the unknown pixels, whatever they hold."""
        x = check_plane("x", x, self.in_shape)
        return np.where(self.unknown, x.dtype.type(0), x)

    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """1 where known."""
        return (~self.unknown[rows]).astype(dtype)

    def prior_weight(self, sigma: float) -> float:
        """0: known pixels stay as they are."""
        return 0.0


def strips(height: int) -> Iterator[slice]:
    """Rows, a few at a time."""
    return (slice(start, min(start + ROWS, height)) for start in range(0, height, ROWS))
