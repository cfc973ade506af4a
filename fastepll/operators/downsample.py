"""Blur and decimation, the model of super-resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.measurements import (
    check_factor,
    check_kernel,
    check_plane,
    check_sides,
    told_sum,
)
from fastepll._warnings import quietly
from fastepll.operators._fourier import (
    Fourier,
    from_half_spectrum,
    half_spectrum,
    multiply,
    precise,
)
from fastepll.operators.base import GRADIENT, PULL, Operator
from fastepll.typing import FloatArray


class Downsample(Operator):
    """Every f-th pixel, from the first, of each f-th row of the periodic convolution with a kernel.

    Parameters
    ----------
    kernel : (p, q) array_like of float
        As for `Blur`.
    shape : (int, int)
        Height and width of the large image, multiples of the factor.
    factor : int
        f, in [2, 8].

    Raises
    ------
    TypeError, ValueError
        A kernel, shape or factor that is not such.

    Notes
    -----
    ``solve`` is closed. With D = 1/τ, or any other division of Fourier coefficients,
    ``x = D r - D Aᵀ (I + A D Aᵀ)⁻¹ A D r``, and A D Aᵀ is a convolution of the small image: its
    Fourier coefficients are the means over the f² frequencies that decimation makes one
    (N. Zhao et al., Fast single image super-resolution using a new analytical solution for ℓ2-ℓ2
    problems, IEEE TIP 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.operators import Downsample
    >>> x = np.arange(16.0).reshape(4, 4)
    >>> mean = np.pad(np.full((2, 2), 0.25), (0, 1))  # of a pixel and those below and right of it
    >>> Downsample(mean, (4, 4), 2).forward(x).round(6)
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """

    tested = True
    kind = "downsample"

    def __init__(self, kernel: ArrayLike, shape: Sequence[int], factor: int) -> None:
        self.factor = f = check_factor(factor)
        height, width = check_sides("shape", shape)
        if height % f or width % f:
            raise ValueError(
                f"shape must have multiples of the factor {f}, got {height}x{width} pixels"
            )
        self.kernel = told_sum(check_kernel(kernel, (height, width)))
        super().__init__((height, width), (height // f, width // f))
        self._fourier = Fourier(self.kernel, self.in_shape)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Without the transforms."""
        if type(self) is not Downsample:
            return super().__reduce_ex__(protocol)
        return quietly, (Downsample, self.kernel, self.in_shape, self.factor)

    @property
    def response(self) -> tuple[float, float]:
        """Where the image is white under the negative, and under the positive values."""
        return float(np.minimum(self.kernel, 0).sum()), float(np.maximum(self.kernel, 0).sum())

    @property
    def scale(self) -> float:
        """Of a flat image, or of noise if the kernel lets none through."""
        return float(max(abs(self.kernel.sum()), np.linalg.norm(self.kernel)))

    def forward(self, x: FloatArray) -> FloatArray:
        """The small image."""
        x = check_plane("x", x, self.in_shape)
        spectrum = half_spectrum(x) * self._fourier.transfer(x.dtype)
        # Folded, the spectrum is that of every f-th row.
        rows = spectrum.reshape(self.factor, self.out_shape[0], -1).sum(axis=0)
        rows *= x.dtype.type(self.factor**-0.5)
        thin = (self.out_shape[0], self.in_shape[1])
        small = from_half_spectrum(rows, thin)[:, :: self.factor]
        return small.astype(x.dtype, copy=False)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Y with zeros between its pixels, correlated with the kernel."""
        y = check_plane("y", y, self.out_shape)
        thin = np.zeros((self.out_shape[0], self.in_shape[1]), y.dtype)
        thin[:, :: self.factor] = y
        rows = half_spectrum(thin)
        rows *= y.dtype.type(self.factor**-0.5)
        spectrum = np.tile(rows, (self.factor, 1)) * self._fourier.transfer(y.dtype).conj()
        return from_half_spectrum(spectrum, self.in_shape).astype(y.dtype, copy=False)

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve` and the notes above."""
        rhs = check_plane("rhs", rhs, self.in_shape)
        r = precise(rhs, tau)
        small = self._fourier_small(self._aliased + tau, self.forward(r))
        return ((r - self.adjoint(small)) / tau).astype(rhs.dtype, copy=False)

    def step(
        self, average: FloatArray, tau: float, *, y: FloatArray, data: FloatArray, start: FloatArray
    ) -> FloatArray:
        """See `Operator.step`.

        Here ``average + Aᵀ (A Aᵀ + τ)⁻¹ (y - A average)``, which float32 can do for any τ.
        """
        small = multiply(y - self.forward(average), (1 / (self._aliased + tau)).astype(y.dtype))
        average += self.adjoint(small)
        return average

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """Minimise ‖Ax - y‖² + (sigma / `GRADIENT`)²‖∇x‖²; see `Operator.guess`."""
        y = check_plane("y", y, self.out_shape)
        mu = max((sigma / GRADIENT) ** 2, PULL)
        inverse = 1 / (mu * (self._fourier.laplacian() + PULL))
        middle = 1 + self._alias(self._fourier.power * inverse)
        small = self._fourier_small(middle, y.astype(np.float64))
        return self._fourier.filter(self.adjoint(small), inverse).astype(y.dtype, copy=False)

    def _fourier_small(self, middle: NDArray[np.float64], y: FloatArray) -> FloatArray:
        """Divide the half spectrum of a small image."""
        return multiply(y, (1 / middle).astype(y.dtype))

    @kept
    def _aliased(self) -> NDArray[np.float64]:
        """Half spectrum of A Aᵀ."""
        return self._alias(self._fourier.power)

    def _alias(self, half: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half spectrum that decimation leaves of a real, even half spectrum."""
        f, (height, width) = self.factor, self.out_shape
        columns = np.arange(self.in_shape[1])
        mirrored = columns > self.in_shape[1] // 2
        columns[mirrored] = self.in_shape[1] - columns[mirrored]
        rows = -np.arange(self.in_shape[0])
        whole = np.where(mirrored, half[rows][:, columns], half[:, columns])
        folded = whole.reshape(f, height, f, width).mean(axis=(0, 2))
        return np.asarray(folded[:, : width // 2 + 1])


def bicubic_kernel(factor: int) -> NDArray[np.float64]:
    """Kernel with which `Downsample` shrinks as ``imresize`` of MATLAB does by default.

    The cubic of Keys (a = -1/2), widened by the factor and centred on the middle of the f × f
    pixels that one small pixel stands for.

    Parameters
    ----------
    factor : int
        f, in [2, 8].
    """
    f = check_factor(factor)
    reach = 2 * f + f // 2
    t = np.abs((np.arange(reach, -reach - 1, -1) - (f - 1) / 2) / f)
    near, far = (1.5 * t - 2.5) * t**2 + 1, ((2.5 - 0.5 * t) * t - 4) * t + 2
    line = np.where(t < 1, near, np.where(t < 2, far, 0))
    line /= line.sum()
    return np.multiply.outer(line, line)
