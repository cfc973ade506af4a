"""Checks of what generative models are given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_number
from fastepll._validation.array_like import as_array
from fastepll._validation.model_arrays import Array, real_array
from fastepll.typing import Domain

MOST_VALUES = 1 << 16  # of a datum


def check_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a datum."""
    try:
        found = tuple(shape)
    except TypeError:
        raise TypeError(f"shape must be a tuple of integers, got {shape!r}") from None
    if not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in found):
        raise TypeError(f"shape must be a tuple of integers, got {shape!r}")
    if not found or min(found) < 1 or math.prod(found) > MOST_VALUES:
        raise ValueError(f"shape must be of 1 to {MOST_VALUES} values, got {found}")
    return tuple(int(n) for n in found)


def check_data_shape(x: ArrayLike, shape: Sequence[int] | None) -> tuple[int, ...]:
    """Shape of a datum: the given one, or that of the rows."""
    if shape is not None:
        return check_shape(shape)
    array = as_array("x", x)
    if array.ndim < 2:
        raise ValueError(f"x must have shape (n, d) or (n, ...), got {array.shape}")
    return check_shape(array.shape[1:])


def check_rows(
    name: str,
    value: ArrayLike,
    shape: tuple[int, ...],
    domain: Domain,
    levels: Sequence[int] | None = None,
) -> Array:
    """Return data as float64 rows (n, d) in the domain; ``levels`` (d,) of categorical ones."""
    array = as_array(name, value)
    rows = real_array(name, array.astype(np.uint8) if array.dtype == np.bool_ else array)
    d = math.prod(shape)
    if rows.ndim > 1 and rows.shape[1:] == shape:
        rows = rows.reshape(len(rows), d)
    if rows.ndim != 2 or rows.shape[1] != d:
        several = "" if len(shape) == 1 else f" or (n, {', '.join(map(str, shape))})"
        raise ValueError(f"{name} must have shape (n, {d}){several}, got {array.shape}")
    if domain == "binary" and not ((rows == 0) | (rows == 1)).all():
        raise ValueError(f"{name} must hold 0 and 1 alone, got {_other(rows):g}")
    if domain == "categorical" and levels is not None:
        wrong = (rows < 0) | (rows >= np.asarray(levels)) | (rows != np.floor(rows))
        if wrong.any():
            i, j = (int(k) for k in np.argwhere(wrong)[0])
            raise ValueError(
                f"{name}[{i}, {j}] must be an integer from 0 to {levels[j] - 1}, got {rows[i, j]:g}"
            )
    return rows


def check_known(known: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where a datum is known, (d,)."""
    array = as_array("known", known)
    if array.dtype != np.bool_:
        raise TypeError(f"known must be boolean, got dtype {array.dtype}")
    if array.shape not in (shape, (math.prod(shape),)):
        raise ValueError(f"known must have shape {shape}, got {array.shape}")
    return array.reshape(-1)


def check_order(order: ArrayLike, d: int) -> NDArray[np.intp]:
    """Return an order of the d variables: ``order[i]`` is the variable that comes i-th."""
    array = as_array("order", order)
    if array.dtype.kind not in "iu" and not (
        array.dtype.kind == "f" and (array == np.floor(array)).all()
    ):
        raise TypeError(f"order must hold integers, got dtype {array.dtype}")
    if array.shape != (d,) or not np.array_equal(np.sort(array), np.arange(d)):
        raise ValueError(f"order must be a permutation of 0 to {d - 1}, got {array.tolist()!r:.60}")
    return array.astype(np.intp)


def check_whole(name: str, value: ArrayLike, low: int, high: int) -> int:
    """Return an integer in [low, high], which a file of a model has as a float."""
    number = check_number(name, value, low, high)  # type: ignore[arg-type]
    if number != int(number):
        raise ValueError(f"{name} must be an integer, got {number:g}")
    return int(number)


def _other(rows: Array) -> float:
    """A value that is neither 0 nor 1."""
    return float(rows[(rows != 0) & (rows != 1)][0])
