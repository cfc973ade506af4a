"""Blur by a known kernel, with three ideas of what lies beyond the border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, get_args

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation.arguments import check_choice
from fastepll._validation.measurements import check_kernel, check_plane, check_sides, told_sum
from fastepll._warnings import quietly
from fastepll.operators._fourier import SMALL, Fourier, fast_length, precise
from fastepll.operators.base import GRADIENT, PULL, ROUGH, Operator, conjugate_gradients
from fastepll.typing import Boundary, FloatArray

ROUGH_FRAME = 1e-3
"""Residual of `Blur.step` beyond the observed pixels; 1e-4 gives the same to 0.01 dB."""


class Blur(Operator):
    """Convolution with a kernel.

    ``y[i] = Σⱼ kernel[j] x[i - j + c]`` in both axes with the centre c = (p - 1) // 2 of a kernel
    of p rows: a true convolution (``scipy.signal.convolve2d``), not a correlation.

    Parameters
    ----------
    kernel : (p, q) array_like of float
        Finite, no larger than the image. Its sum is a gain; one below 0.9 or above 1.1 is told
        (UserWarning), as most kernels that have it were meant to be divided by it.
    shape : (int, int)
        Height and width of the image x.
    boundary : {"periodic", "reflect", "valid"}
        "periodic": the image goes on at its other side. "reflect": it is mirrored, the border pixel
        repeated (``numpy.pad`` calls it "symmetric"). "valid": nothing is assumed; of y only those
        pixels are observed that depend on x alone, and y has (height - p + 1, width - q + 1)
        pixels.

    Raises
    ------
    TypeError, ValueError
        The kernel is not numbers, empty, not finite, zero or larger than the image.

    Notes
    -----
    ``solve`` is one division of Fourier coefficients for "periodic", and for "reflect" with a
    kernel that both mirrors leave alone (in the cosine transform, here the Fourier transform of the
    image and its mirror images). Else "reflect" takes conjugate gradients. For "valid", with the
    unobserved frame F of the periodic blur H, ``(HᵀH + τ) x = rhs + Hᵀ u`` with u = F H x, and u
    itself solves a small system ``(1 - F H (HᵀH + τ)⁻¹ Hᵀ F) u = F H (HᵀH + τ)⁻¹ rhs``. Without
    the F it is a division; that division, damped, preconditions conjugate gradients: about five.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.operators import Blur
    >>> x = np.zeros((3, 5))
    >>> x[1, 2] = 1
    >>> np.abs(Blur([[0.5, 0.3, 0.2]], (3, 5)).forward(x)[1]).round(3).tolist()
    [0.0, 0.5, 0.3, 0.2, 0.0]
    """

    tested = True
    kind = "blur"

    def __init__(
        self, kernel: ArrayLike, shape: Sequence[int], boundary: Boundary = "periodic"
    ) -> None:
        check_choice("boundary", boundary, get_args(Boundary))
        height, width = check_sides("shape", shape)
        self.kernel = told_sum(check_kernel(kernel, (height, width)))
        self.boundary = boundary
        p, q = self.kernel.shape
        self._before = (p - 1 - (p - 1) // 2, q - 1 - (q - 1) // 2)
        self._after = ((p - 1) // 2, (q - 1) // 2)
        grid, out = (height, width), (height, width)
        if boundary == "valid":
            out = (height - p + 1, width - q + 1)
            grid = (fast_length(height), fast_length(width))
        elif boundary == "reflect":
            grid = (fast_length(height + p - 1), fast_length(width + q - 1))
        first = (0, 0) if boundary == "periodic" else self._before
        self._window = (slice(first[0], first[0] + out[0]), slice(first[1], first[1] + out[1]))
        super().__init__((height, width), out)
        self._fourier = Fourier(self.kernel, grid)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Without the transforms."""
        if type(self) is not Blur:
            return super().__reduce_ex__(protocol)
        return quietly, (Blur, self.kernel, self.in_shape, self.boundary)

    @property
    def response(self) -> tuple[float, float]:
        """Where the image is white under the negative, and under the positive values."""
        return float(np.minimum(self.kernel, 0).sum()), float(np.maximum(self.kernel, 0).sum())

    @property
    def scale(self) -> float:
        """Of a flat image, or of noise if the kernel lets none through."""
        return float(max(abs(self.kernel.sum()), np.linalg.norm(self.kernel)))

    @property
    def observed(self) -> tuple[slice, slice]:
        """Where in the image the pixels of the measurement lie."""
        height, width = self.in_shape
        return self._window if self.boundary == "valid" else (slice(0, height), slice(0, width))

    def forward(self, x: FloatArray) -> FloatArray:
        """Kernel * x."""
        x = check_plane("x", x, self.in_shape)
        if self.boundary == "reflect":
            x = np.pad(x, tuple(zip(self._before, self._after, strict=True)), mode="symmetric")
        return self._fourier.convolve(self._widen(x))[self._window]

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Correlation of y with the kernel, folded back at the border."""
        y = check_plane("y", y, self.out_shape)
        height, width = self.in_shape
        x = self._fourier.correlate(self._embed(y))
        if self.boundary == "reflect":
            height, width = height + self.kernel.shape[0] - 1, width + self.kernel.shape[1] - 1
        x = x[:height, :width]
        if self.boundary == "reflect":
            x = _fold(x, self._before[0], self._after[0])
            x = _fold(x.T, self._before[1], self._after[1]).T
        return x

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve` and the notes above."""
        rhs = check_plane("rhs", rhs, self.in_shape)
        if self.boundary == "reflect" and not self._even:
            return self._near_periodic(rhs, tau, start)
        return self._divide(rhs, tau, 0.0, start).astype(rhs.dtype, copy=False)

    def step(
        self, average: FloatArray, tau: float, *, y: FloatArray, data: FloatArray, start: FloatArray
    ) -> FloatArray:
        """See `Operator.step`."""
        right = self.right_side(average, tau, y, data)
        if self.boundary == "valid":
            tolerance = ROUGH_FRAME * min(1.0, tau / SMALL)
            x = self._divide(right, tau, 0.0, start, tolerance=tolerance)
        elif self.boundary == "reflect" and not self._even:
            x = self._near_periodic(right, tau, start, tolerance=ROUGH, relative_to_start=True)
        else:
            x = self._divide(right, tau, 0.0, start)
        return x.astype(average.dtype, copy=False)

    def _near_periodic(
        self, rhs: FloatArray, tau: float, start: FloatArray | None, **limits: Any
    ) -> FloatArray:
        """Conjugate gradients, of which the periodic blur makes few."""
        inverse = 1 / (self._wrapped.power + tau)
        return conjugate_gradients(
            lambda x: self.adjoint(self.forward(x)) + tau * x,
            rhs,
            start,
            precondition=lambda x: self._wrapped.filter(x, inverse.astype(x.dtype)),
            **limits,
        )

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """Minimise ‖Ax - y‖² + (sigma / `GRADIENT`)²‖∇x‖²; see `Operator.guess`."""
        y = check_plane("y", y, self.out_shape)
        if self.boundary == "reflect" and not self._even:
            return super().guess(y, sigma)
        start = None
        if self.boundary == "valid":
            sides = zip(self._before, self._after, strict=True)
            start = np.pad(y, tuple(sides), mode="edge")
        mu = (sigma / GRADIENT) ** 2
        x = self._divide(self.adjoint(y), PULL, mu, start, tolerance=0.01, n_max=15)
        return x.astype(y.dtype, copy=False)

    def _divide(
        self,
        rhs: FloatArray,
        tau: float,
        mu: float,
        start: FloatArray | None,
        *,
        tolerance: float | None = None,
        n_max: int = 200,
    ) -> FloatArray:
        """Solve (AᵀA + τ + μ ∇ᵀ∇) x = rhs where that is a division, or nearly one."""
        rhs = precise(rhs, max(tau, mu))
        if self.boundary == "reflect":
            mirrored = np.pad(rhs, [(0, n) for n in rhs.shape], mode="symmetric")
            inverse = 1 / (self._mirror.power + tau + mu * self._mirror.laplacian())
            return self._mirror.filter(mirrored, inverse.astype(rhs.dtype))[
                : rhs.shape[0], : rhs.shape[1]
            ]
        height, width = rhs.shape
        rhs = self._widen(rhs)
        fourier = self._fourier
        regular = tau + (mu * fourier.laplacian() if mu else 0.0)
        inverse = (1 / (fourier.power + regular)).astype(rhs.dtype)
        if self.boundary == "periodic":
            return fourier.filter(rhs, inverse)
        gain = fourier.power.astype(rhs.dtype) * inverse
        sharpen = 1 / (1.01 - gain)

        def frame(x: FloatArray) -> FloatArray:
            x[self._window] = 0
            return x

        first = None
        if start is not None:
            first = frame(fourier.convolve(self._widen(start).astype(rhs.dtype)))
        u = conjugate_gradients(
            lambda u: u - frame(fourier.filter(u, gain)),
            frame(fourier.blur_and_filter(rhs, inverse)),
            first,
            precondition=lambda r: frame(fourier.filter(r, sharpen)),
            tolerance=tolerance or (1e-4 if rhs.dtype == np.float32 else None),
            n_max=n_max,
        )
        return fourier.filter(rhs + fourier.correlate(u), inverse)[:height, :width]

    def _widen(self, x: FloatArray) -> FloatArray:
        """X in the grid of the transform, 0 below and right of it."""
        if self._fourier.shape == x.shape:
            return x
        wide = np.zeros(self._fourier.shape, x.dtype)
        wide[: x.shape[0], : x.shape[1]] = x
        return wide

    def _embed(self, y: FloatArray) -> FloatArray:
        """Y in the grid of the transform, 0 around it."""
        if self._fourier.shape == self.out_shape:
            return y
        wide = np.zeros(self._fourier.shape, y.dtype)
        wide[self._window] = y
        return wide

    @kept
    def _even(self) -> bool:
        """Whether both mirrors leave the kernel alone and its centre is its middle."""
        k = self.kernel
        odd = k.shape[0] % 2 == 1 and k.shape[1] % 2 == 1
        return odd and bool(np.allclose(k, k[::-1]) and np.allclose(k, k[:, ::-1]))

    @kept
    def _mirror(self) -> Fourier:
        """The kernel on the grid of the image and its mirror images."""
        return Fourier(self.kernel, [2 * n for n in self.in_shape])

    @kept
    def _wrapped(self) -> Fourier:
        """The kernel on the grid of the image."""
        return Fourier(self.kernel, self.in_shape)


def _fold(x: FloatArray, before: int, after: int) -> FloatArray:
    """Adjoint of mirroring rows: those beyond the border are added to those they mirror."""
    n = len(x) - before - after
    inner = x[before : before + n].copy()
    inner[:before] += x[:before][::-1]
    if after:
        inner[n - after :] += x[before + n :][::-1]
    return inner
