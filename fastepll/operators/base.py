"""What every operator can do, and what conjugate gradients give those without a closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from fastepll._portable import Portable, kept
from fastepll._validation.measurements import check_plane
from fastepll.operators._fill import laplacian
from fastepll.operators._fourier import SMALL
from fastepll.typing import FloatArray

GRADIENT = 0.1
"""Standard deviation of the differences of neighbouring pixels that `Operator.guess` expects."""

ROUGH = 0.01
"""Residual of `Operator.step` in units of the first; less changes no result by 0.01 dB."""

LEAST_TAU = 1e-3
"""`Operator.least_tau` in units of AᵀA."""

LEAST_MU = 3e-3
"""Weight of ‖∇x‖² in `Operator.guess` below which what A does not see would hardly move."""

PULL = 1e-6  # weight that keeps what nothing else determines from growing
ADJOINT_TOLERANCE = 1e-5

Linear = Callable[[FloatArray], FloatArray]


class Operator(Portable, ABC):
    """A linear map A from an image plane x to a measurement y.

    A subclass calls ``super().__init__`` with the two shapes and writes ``forward`` and
    ``adjoint``; ``solve`` is then computed by conjugate gradients. float32 arrays are answered by
    float32, float64 by float64.

    Parameters
    ----------
    in_shape : (int, int)
        Height and width of the image.
    out_shape : sequence of int
        Shape of the measurement.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.operators import Operator, check_adjoint
    >>> class Flip(Operator):
    ...     def forward(self, x):
    ...         return x[::-1]
    ...     def adjoint(self, y):
    ...         return y[::-1]
    >>> flip = Flip((4, 5), (4, 5))
    >>> check_adjoint(flip)
    >>> np.allclose(flip.solve(np.ones((4, 5)), tau=1.0), 0.5)
    True
    """

    tested = False
    """Whether this class is known to have the right adjoint, so that `restore` need not check."""

    kind: str = "any"
    """Whose passes `restore` makes: a key of `fastepll/solver/restore_schedule.json`."""

    @kept
    def scale(self) -> float:
        """About how many times a photograph's details, or its noise, become larger by A.

        A noise of sigma in the measurement then counts like one of sigma / scale in the image. Here
        the root mean square of A x for white noise x of variance 1.
        """
        x = np.random.default_rng(0).standard_normal(self.in_shape).astype(np.float32)
        return float(np.sqrt(np.mean(np.square(self.forward(x), dtype=np.float64))))

    @property
    def response(self) -> tuple[float, float] | None:
        """Least and largest value of A x for images x in [0, 1], None if A x is no image.

        By it `restore` tells a measurement that cannot be one of an image in [0, 1].
        """
        return None

    @property
    def least_tau(self) -> float:
        """Least τ that `restore` asks ``solve`` for, which matters where there is next to no noise.

        Conjugate gradients that leave a hundredth of the residual would hardly move what A does not
        see, or move it by their rounding divided by τ. 0 for a subclass with its own ``solve``.
        """
        return LEAST_TAU * self.scale**2 if type(self).solve is Operator.solve else 0.0

    __array_ufunc__ = None  # an operator @ an array is a TypeError

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int]) -> None:
        height, width = in_shape
        self.in_shape = (int(height), int(width))
        self.out_shape = tuple(int(n) for n in out_shape)

    @abstractmethod
    def forward(self, x: FloatArray) -> FloatArray:
        """A x."""

    @abstractmethod
    def adjoint(self, y: FloatArray) -> FloatArray:
        """Aᵀ y."""

    def solve(self, rhs: FloatArray, tau: float, start: FloatArray | None = None) -> FloatArray:
        """Solve (AᵀA + τI) x = rhs.

        Parameters
        ----------
        rhs : (height, width) array
        tau : float
            > 0.
        start : (height, width) array, optional
            Where conjugate gradients start. Closed forms have no use for it.

        Returns
        -------
        numpy.ndarray
            x, to a residual of about 1e-5 (float32) or 1e-10 (float64) of the right-hand side.
        """
        rhs = check_plane("rhs", rhs, self.in_shape)
        return conjugate_gradients(lambda x: self.adjoint(self.forward(x)) + tau * x, rhs, start)

    def step(
        self, average: FloatArray, tau: float, *, y: FloatArray, data: FloatArray, start: FloatArray
    ) -> FloatArray:
        """Minimise ‖Ax - y‖² + τ ‖x - average‖², no more exactly than a pass of `restore` needs.

        Here by ``solve`` if a subclass has its own, else by conjugate gradients to `ROUGH`.

        Parameters
        ----------
        average : (height, width) array
            What the prior made of the image; may be overwritten.
        tau : float
            > 0.
        y, data : array
            The measurement, and Aᵀ y.
        start : (height, width) array
            The image before.
        """
        right = self.right_side(average, tau, y, data)
        if type(self).solve is not Operator.solve:
            return self.solve(right, tau, start).astype(average.dtype, copy=False)
        x = conjugate_gradients(
            lambda x: self.adjoint(self.forward(x)) + tau * x,
            right,
            start,
            tolerance=ROUGH,
            relative_to_start=True,
            n_max=60,
        )
        return x.astype(average.dtype, copy=False)

    def right_side(
        self, average: FloatArray, tau: float, y: FloatArray, data: FloatArray
    ) -> FloatArray:
        """Aᵀ y + τ average, of `step`.

        What A does not see has the eigenvalue τ. If that is small it takes float64, for Aᵀ y too.
        """
        if tau < SMALL * self.scale**2:
            return self.adjoint(y.astype(np.float64)) + tau * average.astype(np.float64)
        average *= average.dtype.type(tau)
        average += data
        return average

    def guess(self, y: FloatArray, sigma: float) -> FloatArray:
        """Image from which a restoration of y, with noise of standard deviation sigma, starts.

        Here the minimiser of ‖Ax - y‖² + μ‖∇x‖², μ = (sigma / `GRADIENT`)² but at least `LEAST_MU`,
        after at most 30 steps from the constant that fits best.
        """
        y = check_plane("y", y, self.out_shape)
        rhs = self.adjoint(y)
        flat = self.adjoint(self.forward(np.ones(self.in_shape, y.dtype)))
        level = float(rhs.sum(dtype=np.float64) / max(flat.sum(dtype=np.float64), 1e-12))
        mu = max((sigma / GRADIENT) ** 2, LEAST_MU)

        def apply(x: FloatArray) -> FloatArray:
            return self.adjoint(self.forward(x)) + mu * laplacian(x)

        start = np.full(self.in_shape, level, y.dtype)
        return conjugate_gradients(apply, rhs, start, tolerance=1e-3, n_max=30)

    def __matmul__(self, other: Operator) -> Operator:
        """First the other, then this one."""
        if not isinstance(other, Operator):
            return NotImplemented
        return Composition(self, other)


class Composition(Operator):
    """``outer @ inner``: A x = outer(inner(x))."""

    def __init__(self, outer: Operator, inner: Operator) -> None:
        if outer.in_shape != inner.out_shape:
            raise ValueError(
                f"operators must fit together: the left one takes {outer.in_shape}, "
                f"the right one gives {inner.out_shape}"
            )
        super().__init__(inner.in_shape, outer.out_shape)
        self.outer, self.inner = outer, inner
        self.tested = outer.tested and inner.tested

    @kept
    def scale(self) -> float:
        """Product of the two."""
        return self.outer.scale * self.inner.scale

    @property
    def response(self) -> tuple[float, float] | None:
        """What the outer makes of the least and the largest value of the inner."""
        if self.inner.response is None or self.outer.response is None:
            return None
        (low, high), (least, most) = self.inner.response, self.outer.response
        return most * low + least * high, most * high + least * low

    def forward(self, x: FloatArray) -> FloatArray:
        """A x."""
        return self.outer.forward(self.inner.forward(x))

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Aᵀ y."""
        return self.inner.adjoint(self.outer.adjoint(y))


def conjugate_gradients(
    apply: Linear,
    rhs: FloatArray,
    start: FloatArray | None = None,
    *,
    precondition: Linear | None = None,
    tolerance: float | None = None,
    relative_to_start: bool = False,
    n_max: int = 200,
) -> FloatArray:
    """Solve apply(x) = rhs for a symmetric positive definite map.

    Parameters
    ----------
    apply, precondition : callable
        The map, and an approximation of its inverse that is symmetric positive definite too.
    rhs, start : array
        Right-hand side; first x, 0 if it is None.
    tolerance : float, optional
        Ends when the residual is below so many times ‖rhs‖. None: 1e-5 in float32, 1e-10 in
        float64.
    relative_to_start : bool
        The tolerance counts in units of the residual of the first x, not of ‖rhs‖.
    n_max : int
        Most steps.
    """
    if tolerance is None:
        tolerance = 1e-5 if rhs.dtype == np.float32 else 1e-10
    x = np.zeros_like(rhs) if start is None else start.astype(rhs.dtype)
    r = rhs.copy() if start is None else rhs - apply(x)
    goal = tolerance**2 * (_dot(r, r) if relative_to_start else _dot(rhs, rhs))
    p, rho = np.zeros_like(rhs), 0.0
    for _ in range(n_max):
        if _dot(r, r) <= goal:
            break
        z = r if precondition is None else precondition(r)
        previous, rho = rho, _dot(r, z)
        p = z + (rho / previous) * p if previous else z.copy()
        q = apply(p)
        curvature = _dot(p, q)
        if not curvature > 0:  # residuals so small that their products underflow
            break
        alpha = rho / curvature
        x += alpha * p
        r -= alpha * q
    return x


def check_adjoint(operator: Operator, *, tolerance: float = ADJOINT_TOLERANCE) -> None:
    """Raise ValueError unless ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ for a random x and y.

    Parameters
    ----------
    operator : Operator
        One ``forward`` and one ``adjoint`` are computed, in float64.
    tolerance : float
        Largest difference of the two in units of ‖Ax‖ ‖y‖. Rounding leaves about 1e-16, or 1e-7 if
        the operator computes in float32. A wrong adjoint leaves about one divided by the square
        root of the number of pixels: 1e-4 for a hundred megapixels.

    Raises
    ------
    ValueError
        The test failed, or a shape is not as announced.

    Examples
    --------
    >>> from fastepll.operators import Blur, check_adjoint
    >>> check_adjoint(Blur([[0.2, 0.5, 0.3]], (16, 20)))
    """
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(operator.in_shape), rng.standard_normal(operator.out_shape)
    ax, aty = np.asarray(operator.forward(x)), np.asarray(operator.adjoint(y))
    for name, found, wanted in (
        ("forward", ax, operator.out_shape),
        ("adjoint", aty, operator.in_shape),
    ):
        if found.shape != wanted:
            raise ValueError(
                f"operator must announce its shapes: {name} gave {found.shape}, expected {wanted}"
            )
    difference = abs(_dot(ax, y) - _dot(x, aty))
    scale = float(np.linalg.norm(ax) * np.linalg.norm(y))
    if not difference <= tolerance * scale:
        raise ValueError(
            f"operator must have adjoint as the transpose of forward: <Ax, y> and <x, Aᵀy> differ "
            f"by {difference:.3g}, more than {tolerance:g} of |Ax||y| = {scale:.3g}"
        )


def _dot(a: FloatArray, b: FloatArray) -> float:
    """Sum of products."""
    return float(np.vdot(a, b))
