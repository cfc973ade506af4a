"""Checks of the arrays and metadata a mixture is made of, and of what its methods are given."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.array_like import as_array

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Array: TypeAlias = NDArray[np.float64]

MAX_K = 2048  # components
MAX_D = 1024  # values per patch
_ORTHONORMAL = 1e-10  # largest |UᵀU - I| that counts as rounding


def real_array(name: str, value: ArrayLike, *, copy: bool = False) -> Array:
    """Return `value` as a C-contiguous float64 array of finite numbers."""
    array = as_array(name, value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    array = (np.array if copy else np.asarray)(array, dtype=np.float64, order="C")  # NumPy 1 too
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def check_weights(value: ArrayLike) -> Array:
    """Return mixture weights (k,) after checking that they are a distribution."""
    weights = real_array("weights", value, copy=True)
    if weights.ndim != 1 or not 1 <= weights.size <= MAX_K:
        raise ValueError(f"weights must have shape (k,), 1 <= k <= {MAX_K}, got {weights.shape}")
    if weights.min() <= 0:
        raise ValueError(f"weights must be positive, got {weights.min():.3g}")
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"weights must sum to 1, got {weights.sum():.9g}")
    return weights


def check_eigenvalues(value: ArrayLike, k: int) -> Array:
    """Return variances (k, d) after checking sign and order."""
    values = real_array("eigenvalues", value, copy=True)
    if values.ndim != 2 or values.shape[0] != k or not 1 <= values.shape[1] <= MAX_D:
        raise ValueError(
            f"eigenvalues must have shape ({k}, d), 1 <= d <= {MAX_D}, got {values.shape}"
        )
    if values.min() < 0:
        raise ValueError(f"eigenvalues must not be negative, got {values.min():.3g}")
    if (np.diff(values, axis=1) > 0).any():
        raise ValueError("eigenvalues must be in descending order within each component")
    return values


def check_eigenvectors(value: ArrayLike, k: int, d: int) -> Array:
    """Return bases (k, d, d) after checking that their columns are orthonormal."""
    frozen = isinstance(value, np.ndarray) and value.flags.owndata and not value.flags.writeable
    vectors = real_array("eigenvectors", value, copy=not frozen)
    if vectors.shape != (k, d, d):
        raise ValueError(f"eigenvectors must have shape ({k}, {d}, {d}), got {vectors.shape}")
    identity = np.eye(d)
    for i, basis in enumerate(vectors):
        error = float(np.abs(basis.T @ basis - identity).max())
        if not error <= _ORTHONORMAL:
            raise ValueError(
                f"eigenvectors[{i}] must have orthonormal columns within {_ORTHONORMAL:g}, "
                f"got a deviation of {error:.3g}"
            )
    return vectors


def check_patch_shape(value: Sequence[int], d: int) -> tuple[int, ...]:
    """Return the patch shape as a tuple whose product is d."""
    try:
        shape = tuple(value)
    except TypeError:
        raise TypeError(f"patch_shape must be a tuple of integers, got {value!r}") from None
    if not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in shape):
        raise TypeError(f"patch_shape must be a tuple of integers, got {value!r}")
    if not shape or min(shape) < 1 or math.prod(shape) != d:
        raise ValueError(f"patch_shape must be positive with product {d}, got {shape}")
    return tuple(int(n) for n in shape)


def check_metadata(value: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return a read-only copy of metadata that JSON can carry."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"metadata must be a mapping with string keys, got {value!r:.80}")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except TypeError as error:
        raise TypeError(f"metadata must hold JSON values: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata must hold finite JSON values: {error}") from None
    return MappingProxyType(copy)


def check_patches(value: ArrayLike, d: int) -> Array:
    """Return patches as (n, d)."""
    patches = real_array("patches", value)
    if patches.ndim != 2 or patches.shape[1] != d:
        raise ValueError(f"patches must have shape (n, {d}), got {patches.shape}")
    return patches


def check_sigma(value: float) -> float:
    """Return a noise standard deviation."""
    if isinstance(value, (bool, str)) or not isinstance(value, SupportsFloat):
        raise TypeError(f"sigma must be a number, got {value!r}")
    if not 0 <= float(value) < np.inf:
        raise ValueError(f"sigma must be finite and >= 0, got {value}")
    return float(value)


def check_draw(n: SupportsIndex, rng: np.random.Generator | int) -> tuple[int, np.random.Generator]:
    """Return a number of samples and the generator to draw them with."""
    if not isinstance(n, SupportsIndex):
        raise TypeError(f"n must be an integer, got {n!r}")
    if n.__index__() < 0:
        raise ValueError(f"n must not be negative, got {n}")
    if not isinstance(rng, (np.random.Generator, int, np.integer)):
        raise TypeError(f"rng must be a numpy Generator or an integer seed, got {rng!r}")
    return n.__index__(), np.random.default_rng(rng)
