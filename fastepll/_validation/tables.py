"""Checks of what models made of tables of probabilities are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.array_like import as_array
from fastepll._validation.generative import check_data_shape, check_rows, check_shape
from fastepll._validation.model_arrays import Array, real_array

Integers = NDArray[np.intp]
Parents: TypeAlias = "NDArray[Any] | Sequence[Sequence[int] | NDArray[np.integer]]"
MOST_LEVELS = 1 << 15
MOST_CELLS = 1 << 24
_SUM = 1e-6  # by which the sum of a distribution may differ from 1


def check_levels(levels: ArrayLike, shape: Sequence[int]) -> Integers:
    """Return how many values each variable of a datum may have, (d,); one number is that of all."""
    d = math.prod(check_shape(shape))
    array = _integers("levels", levels)
    if array.shape not in ((), (d,)):
        raise ValueError(f"levels must be one number or have shape ({d},), got {array.shape}")
    if array.min() < 2 or array.max() > MOST_LEVELS:
        raise ValueError(
            f"levels must be from 2 to {MOST_LEVELS}, got {array.min():g} to {array.max():g}"
        )
    return np.broadcast_to(array, d).astype(np.intp)


def check_categorical(
    x: ArrayLike, shape: Sequence[int] | None, levels: ArrayLike | None
) -> tuple[tuple[int, ...], Integers, NDArray[np.intp]]:
    """Return the shape of a datum, levels (by default up to the largest value) and rows (n, d)."""
    found = check_data_shape(x, shape)
    rows = check_rows("x", x, found, "real")
    if not len(rows):
        raise ValueError("x must have at least one row")
    most = check_levels(np.maximum(rows.max(0) + 1, 2) if levels is None else levels, found)
    return found, most, check_rows("x", rows, found, "categorical", most.tolist()).astype(np.intp)


def check_smoothing(smoothing: float) -> float:
    """Return what is added to each count."""
    if not 0 <= smoothing < np.inf:
        raise ValueError(f"smoothing must be finite and >= 0, got {smoothing}")
    return float(smoothing)


def check_memory(memory: ArrayLike) -> int:
    """Return how many variables before it each one of a chain depends on."""
    array = _integers("memory", memory)
    if array.shape != () or not 1 <= array < MOST_CELLS.bit_length():
        raise ValueError(f"memory must be 1 to {MOST_CELLS.bit_length() - 1}, got {array}")
    return int(array)


def check_size(what: str, cells: int) -> int:
    """Return a number of cells that can be held."""
    if cells > MOST_CELLS:
        raise ValueError(
            f"{what} would have {_short(cells)} cells, {_short(8 * cells)} bytes; "
            f"at most {MOST_CELLS} are held"
        )
    return cells


def check_tables(name: str, value: ArrayLike, lengths: Integers) -> Array:
    """Return distributions of those lengths, one after the other in a read-only array."""
    tables = real_array(name, value, copy=True)
    if tables.shape != (lengths.sum(),):
        raise ValueError(f"{name} must have shape ({lengths.sum()},), got {tables.shape}")
    if tables.min() < 0:
        raise ValueError(f"{name} must not be negative, got {tables.min():.3g}")
    sums = np.add.reduceat(tables, np.cumsum(lengths) - lengths)
    worst = sums[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > _SUM:
        raise ValueError(f"each distribution in {name} must sum to 1, got {worst:.9g}")
    tables.flags.writeable = False
    return tables


def check_labels(labels: ArrayLike, n: int) -> Integers:
    """Return the classes of n data, from 0 on."""
    array = as_array("labels", labels)
    found = _integers("labels", array.astype(np.uint8) if array.dtype == np.bool_ else array)
    if found.shape != (n,) or n == 0:
        raise ValueError(f"labels must have shape ({n},), n > 0, got {found.shape}")
    if found.min() < 0 or found.max() > MOST_LEVELS:
        raise ValueError(f"labels must be from 0 to {MOST_LEVELS}, got {found.min()}")
    return found


def check_missing(
    x: ArrayLike, known: ArrayLike | None, shape: tuple[int, ...]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return binary rows (n, d), and where they are known, (d,) or (n, d); NaN is not known."""
    array, d = as_array("x", x), math.prod(shape)
    missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    rows = check_rows("x", np.where(missing, 0, array), shape, "binary")
    there = ~missing.reshape(rows.shape)
    if known is None:
        return rows, there
    where = as_array("known", known)
    if where.dtype != np.bool_:
        raise TypeError(f"known must be boolean, got dtype {where.dtype}")
    if where.shape not in (shape, (d,), rows.shape, (len(rows), *shape)):
        raise ValueError(f"known must have shape {shape} or ({len(rows)}, {d}), got {where.shape}")
    return rows, where.reshape(-1, d) & there


def check_parents(parents: Parents, d: int) -> Integers:
    """Return the parents of d variables, (d, m), rows filled up with -1."""
    if not isinstance(parents, np.ndarray):
        ragged = [_integers(f"parents[{i}]", each).reshape(-1) for i, each in enumerate(parents)]
        width = max([1, *map(len, ragged)])
        parents = np.array([[*each, *[-1] * (width - len(each))] for each in ragged])
    array = _integers("parents", parents)
    if array.ndim != 2 or len(array) != d or array.shape[1] < 1:
        raise ValueError(f"parents must be of {d} variables, got shape {array.shape}")
    if array.min() < -1 or array.max() >= d:
        raise ValueError(f"parents must be from 0 to {d - 1}, got {array.min()} to {array.max()}")
    ordered = np.sort(array, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1)
    if twice.any():
        raise ValueError(f"parents[{twice.argmax()}] must be different variables")
    return array


def _integers(name: str, value: ArrayLike) -> Integers:
    """Integers, which a file holds as floating-point numbers."""
    array = as_array(name, value)
    if array.size == 0:
        return array.astype(np.intp)
    whole = real_array(name, array)
    if (whole != np.floor(whole)).any() or np.abs(whole).max() > 1 << 31:
        raise ValueError(f"{name} must hold integers")
    return whole.astype(np.intp)


def _short(n: int) -> str:
    """Any integer in a few characters."""
    return str(n) if n < 10**12 else f"{Decimal(n):.2e}"
