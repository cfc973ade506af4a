"""Operators whose measurements count by how noisy they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.measurements import check_plane
from fastepll._validation.sigma import Sigma
from fastepll.operators._outliers import largest, level_of, outliers
from fastepll.operators.base import Operator, conjugate_gradients
from fastepll.operators.pixels import Pixelwise
from fastepll.typing import FloatArray

QUIET = 0.01
"""Of the measurements may have less noise than the least that the schedule is for."""


SOME = 0.3
"""Of the weight of most, below which a measurement tells little."""


@dataclass(frozen=True, eq=False)
class White:
    """An operator, what makes the noise of its measurements white, that noise, and the least."""

    operator: Operator
    weight: NDArray[np.float64] | None
    sigma: float
    least: float

    def apply(self, y: FloatArray) -> FloatArray:
        """Measurement whose noise is ``sigma`` everywhere."""
        return y if self.weight is None else y * self.weight.astype(y.dtype)


def whiten(operator: Operator, sigma: Sigma, floor: float) -> White:
    """Operator for noise sigma, at least ``floor`` where that varies.

    The noise of the white measurements is the most there is but for outliers; how it is scaled
    changes no equation, but schedule and start are chosen by it. The least is that of all but
    `QUIET` of them.
    """
    if isinstance(sigma, float):
        return White(operator, None, sigma, sigma)
    sigma = np.maximum(sigma, floor)
    level = largest(sigma)
    weight = level / sigma
    kind = WeightedPixels if isinstance(operator, Pixelwise) else Weighted
    least = min(float(np.quantile(sigma, QUIET)), level)
    return White(kind(operator, weight), weight, level, least)  # type: ignore[arg-type]


class Weighted(Operator):
    """weight · A x for weights above 0, of the operator's ``out_shape``."""

    def __init__(self, operator: Operator, weight: NDArray[np.float64]) -> None:
        super().__init__(operator.in_shape, operator.out_shape)
        self.inner, self.weight = operator, weight
        self.tested, self.kind = operator.tested, operator.kind

    @property
    def scale(self) -> float:
        """That of A."""
        return self.inner.scale

    def forward(self, x: FloatArray) -> FloatArray:
        """Weight times A x."""
        return self.inner.forward(x) * self.weight.astype(x.dtype, copy=False)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Aᵀ of weight times y."""
        y = check_plane("y", y, self.out_shape)
        return self.inner.adjoint(y * self.weight.astype(y.dtype, copy=False))

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """See `Operator.solve`; conjugate gradients, that A with the mean weight helps."""
        rhs = check_plane("rhs", rhs, self.in_shape)
        mean = float(np.mean(np.square(self.weight)))
        closed = type(self.inner).solve is not Operator.solve
        return conjugate_gradients(
            lambda x: self.adjoint(self.forward(x)) + tau * x,
            rhs,
            start,
            precondition=(lambda r: self.inner.solve(r, tau / mean)) if closed else None,
        )

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """That of A, or of weighted A where some of the measurements tell little."""
        if np.min(self.weight) < SOME:
            return super().guess(y, sigma)
        return self.inner.guess(y / self.weight.astype(y.dtype, copy=False), sigma)


class WeightedPixels(Pixelwise):
    """weight · gain · x."""

    def __init__(self, operator: Pixelwise, weight: NDArray[np.float64]) -> None:
        super().__init__(operator.in_shape, operator.out_shape)
        self.inner, self.weight = operator, weight
        self.kind = operator.kind

    @property
    def scale(self) -> float:
        """That of A."""
        return self.inner.scale

    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """Weight times gain."""
        return self.inner.gain_of(rows, dtype) * self.weight[rows].astype(dtype, copy=False)

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """That of the operator without weights, of pixels that tell little what is around them."""
        right = y / self.weight.astype(y.dtype, copy=False)
        noise = sigma / self.weight
        found = outliers(noise, level_of(noise))
        if found is not None:
            smooth = self.inner.forward(super().guess(y, sigma))
            right[found] = smooth[found]
        return self.inner.guess(right, sigma)
