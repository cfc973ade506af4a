"""Arrays of whatever NumPy can make one of, but for masked values."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(name: str, given: object) -> NDArray[Any]:
    """Array that shares memory with what was given if it can, else TypeError or ValueError."""
    values: Any = given
    if hasattr(values, "__dask_graph__"):  # NumPy would forget what is masked
        values = values.compute()
    try:
        array = np.asanyarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array, got {error}") from None
    except (TypeError, RuntimeError) as error:  # a tensor that has a gradient, or lies on a device
        raise TypeError(f"{name} must be an array, got {error}") from None
    if "numpy.ma" in sys.modules:  # NumPy loads it when first used
        parts = values if isinstance(values, (list, tuple)) else ()
        if any(map(np.ma.is_masked, (array, *parts))):
            raise TypeError(f"{name} must have no masked pixels, got a masked array")
    return np.asarray(array)
