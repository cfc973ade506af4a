"""Operators of other libraries, which act on flattened arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastepll._validation.measurements import check_plane, check_sides
from fastepll.operators.base import Operator
from fastepll.typing import FloatArray


def from_linear_operator(
    operator: Any, in_shape: Sequence[int], out_shape: Sequence[int] | None = None
) -> Operator:
    """Adapt an operator with ``shape``, ``matvec`` and ``rmatvec``.

    Parameters
    ----------
    operator : scipy.sparse.linalg.LinearOperator, pylops.LinearOperator or alike
        Real. ``scipy.sparse.linalg.aslinearoperator`` makes one of a matrix.
    in_shape : (int, int)
        Height and width of the image, which the operator gets flattened row by row.
    out_shape : sequence of int, optional
        Shape of the measurement. None: as the operator gives it, one axis.

    Returns
    -------
    Operator
        Its ``solve`` takes conjugate gradients.

    Raises
    ------
    TypeError
        The operator lacks one of the three, or is complex.
    ValueError
        A shape does not have the operator's number of values.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> from fastepll.operators import from_linear_operator
    >>> sums = from_linear_operator(aslinearoperator(np.ones((1, 6))), (2, 3))
    >>> sums.forward(np.arange(6.0).reshape(2, 3))
    array([15.])
    """
    for name in ("shape", "matvec", "rmatvec"):
        if not hasattr(operator, name):
            raise TypeError(f"operator must have {name}, got {type(operator).__name__}")
    if np.issubdtype(getattr(operator, "dtype", None) or np.float64, np.complexfloating):
        raise TypeError(f"operator must be real, got dtype {operator.dtype}")
    rows, columns = operator.shape
    height, width = check_sides("in_shape", in_shape)
    if height * width != columns:
        raise ValueError(
            f"in_shape must have the operator's {columns} columns, got {(height, width)}"
        )
    out = (rows,) if out_shape is None else tuple(out_shape)
    if math.prod(out) != rows:
        raise ValueError(f"out_shape must have the operator's {rows} rows, got {out}")
    return Foreign(operator, (height, width), out)


class Foreign(Operator):
    """What `from_linear_operator` returns."""

    def __init__(self, operator: Any, in_shape: tuple[int, int], out_shape: Sequence[int]) -> None:
        super().__init__(in_shape, out_shape)
        self.operator = operator

    def forward(self, x: FloatArray) -> FloatArray:
        """A x."""
        x = check_plane("x", x, self.in_shape)
        y = np.asarray(self.operator.matvec(x.ravel()))
        return y.reshape(self.out_shape).astype(x.dtype, copy=False)

    def adjoint(self, y: FloatArray) -> FloatArray:
        """Aᵀ y."""
        y = check_plane("y", y, self.out_shape)
        x = np.asarray(self.operator.rmatvec(y.ravel()))
        return x.reshape(self.in_shape).astype(y.dtype, copy=False)
