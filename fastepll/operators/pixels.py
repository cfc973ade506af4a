"""Operators that treat each pixel for itself: identity, missing pixels, gain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll import _check_operator
from fastepll.operators.base import Operator, laplacian
from fastepll.typing import FloatArray

RELAXATIONS = 8  # of each level of the pyramid that fills missing pixels


class Identity(Operator):
    """A x = x: denoising.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    """

    tested = True
    kind = "identity"
    scale = 1.0

    def __init__(self, shape: Sequence[int]) -> None:
        shape = _check_operator.check_sides("shape", shape)
        super().__init__(shape, shape)

    def forward(self, x: FloatArray) -> FloatArray:
        """A copy."""
        return _check_operator.check_plane("x", x, self.in_shape).copy()

    def adjoint(self, y: FloatArray) -> FloatArray:
        """A copy."""
        return _check_operator.check_plane("y", y, self.out_shape).copy()

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve`; closed form."""
        return _check_operator.check_plane("rhs", rhs, self.in_shape) * (1 / (1 + tau))

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """The measurement."""
        return self.adjoint(y)


class Diagonal(Operator):
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

    tested = True
    kind = "diagonal"

    def __init__(self, gain: ArrayLike) -> None:
        self.gain = _check_operator.check_gain(gain)
        super().__init__(self.gain.shape, self.gain.shape)

    @property
    def scale(self) -> float:
        """Root mean square of the gain."""
        return float(np.sqrt(np.mean(self.gain**2)))

    def forward(self, x: FloatArray) -> FloatArray:
        """Gain times x."""
        x = _check_operator.check_plane("x", x, self.in_shape)
        return x * self.gain.astype(x.dtype, copy=False)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Gain times y."""
        return self.forward(_check_operator.check_plane("y", y, self.out_shape))

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve`; closed form."""
        rhs = _check_operator.check_plane("rhs", rhs, self.in_shape)
        return rhs / (self.gain**2 + tau).astype(rhs.dtype)


class Mask(Operator):
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

    tested = True
    kind = "mask"
    scale = 1.0

    def __init__(self, unknown: ArrayLike) -> None:
        self.unknown = _check_operator.check_mask(unknown)
        super().__init__(self.unknown.shape, self.unknown.shape)

    def forward(self, x: FloatArray) -> FloatArray:
        """X without the unknown pixels."""
        x = _check_operator.check_plane("x", x, self.in_shape)
        return np.where(self.unknown, x.dtype.type(0), x)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Y without the unknown pixels."""
        return self.forward(_check_operator.check_plane("y", y, self.out_shape))

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve`; closed form."""
        rhs = _check_operator.check_plane("rhs", rhs, self.in_shape)
        known, unknown = rhs.dtype.type(1 / (1 + tau)), rhs.dtype.type(1 / tau)
        return rhs * np.where(self.unknown, unknown, known)

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """The known pixels, and between them a smooth fill from coarse to fine."""
        y = _check_operator.check_plane("y", y, self.out_shape)
        return fill(y, ~self.unknown)


def fill(y: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """Image with the unknown pixels filled in smoothly.

    Half the size is filled first, each of its pixels being the mean of the known ones among four.
    Enlarged it gives the unknown pixels, which `RELAXATIONS` steps of diffusion then smooth.
    """
    height, width = y.shape
    if known.all():
        return y.copy()
    if min(height, width) < 2:
        mean = y.mean(where=known) if known.any() else 0.0
        return np.where(known, y, y.dtype.type(mean))
    h, w = (height + 1) // 2, (width + 1) // 2
    even = ((0, 2 * h - height), (0, 2 * w - width))
    count = np.pad(known, even).reshape(h, 2, w, 2).sum(axis=(1, 3), dtype=np.int8)
    total = np.pad(np.where(known, y, 0), even).reshape(h, 2, w, 2).sum(axis=(1, 3))
    half = fill((total / np.maximum(count, 1)).astype(y.dtype), count > 0)
    large = _enlarge(_enlarge(half).T).T
    x = np.where(known, y, large[:height, :width])
    free = np.where(known, 0, y.dtype.type(0.24))
    for _ in range(RELAXATIONS):
        x -= free * laplacian(x)
    return x


def _enlarge(x: FloatArray) -> FloatArray:
    """Twice as many rows, by linear interpolation; constant beyond the border."""
    wide = np.pad(x, ((1, 1), (0, 0)), mode="edge")
    rows = np.empty((2 * len(x), x.shape[1]), x.dtype)
    rows[0::2] = 0.75 * x + 0.25 * wide[:-2]
    rows[1::2] = 0.75 * x + 0.25 * wide[2:]
    return rows
