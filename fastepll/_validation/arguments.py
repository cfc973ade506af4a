"""Validation of numbers, flags and choices."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._threads import MAX_THREADS
from fastepll._validation.array_like import as_array
from fastepll.typing import BackendName, Poll

MAX_PASSES = 1000


def check_flag(name: str, value: bool) -> bool:
    """Return a bool that is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def check_betas(betas: Sequence[float]) -> tuple[float, ...]:
    """Return the splitting weights; any order, as the loop takes them one after another."""
    return check_numbers("betas", betas, 1e-6, 1e6)


def check_numbers(name: str, values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    """Return a number for each pass of the prior, all in [low, high]."""
    if hasattr(values, "__array__"):
        values = as_array(name, values)  # type: ignore[assignment]
    if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of numbers, got {type(values).__name__}")
    if np.ndim(values) != 1 or not 1 <= len(values) <= MAX_PASSES:
        raise ValueError(
            f"{name} must be one-dimensional, of 1 to {MAX_PASSES} numbers, got {values!r}"
        )
    return tuple(check_number(name, value, low, high) for value in values)


def check_number(name: str, value: float, low: float, high: float) -> float:
    """Return a real number in [low, high] as a float."""
    number = real(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value!r}")
    return number


def check_count(name: str, value: int, low: int, high: int) -> int:
    """Return an integer in [low, high]."""
    count = integer(name, value)
    if count is None:
        raise TypeError(f"{name} must be an integer, got NoneType")
    if not low <= count <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], got {count}")
    return count


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise TypeError or ValueError unless the value is one of the choices."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_backend(backend: BackendName | None) -> BackendName | None:
    """Return the name of a known backend, or None."""
    if backend is not None:
        check_choice("backend", backend, get_args(BackendName))
    return backend


def check_threads(n_threads: int | None) -> int | None:
    """Return the number of threads asked for, or None."""
    count = integer("n_threads", n_threads)
    if count is not None and not 1 <= count <= MAX_THREADS:
        raise ValueError(f"n_threads must be in [1, {MAX_THREADS}], got {count}")
    return count


def check_progress(progress: Poll | None) -> Poll | None:
    """Return the callback, or None."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, got {type(progress).__name__}")
    return progress


def real_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Array of integers or floats, else TypeError or ValueError."""
    array = as_array(name, values)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    return array


def real(name: str, value: object) -> float:
    """Finite float from a number that is not a bool, else TypeError or ValueError."""
    if hasattr(value, "__array__") and not isinstance(value, np.generic):  # 0-D, a tensor's say
        array = as_array(name, value)
        value = array[()] if array.ndim == 0 else value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def integer(name: str, value: int | None) -> int | None:
    """Int from anything that is one and not a bool, or None, else TypeError."""
    if value is None:
        return None
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise TypeError(f"{name} must be an integer or None, got {type(value).__name__}")
