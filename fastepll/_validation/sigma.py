"""Validation of noise levels: one number, one for each image of a stack, one for each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from fastepll._validation.arguments import real, real_array
from fastepll.typing import FloatArray

Sigma: TypeAlias = "float | FloatArray"

UNKNOWN = 1e3
"""What an infinite sigma, that of an unknown pixel, counts as, in units of the data range."""


def check_sigma(sigma: ArrayLike | None) -> Sigma | None:
    """Return the noise standard deviation in the units of the image, None to estimate it.

    An array is one for each pixel, or for each image of a stack; inf where a pixel tells nothing.
    """
    if sigma is None:
        return None
    many = isinstance(sigma, Sequence) or hasattr(sigma, "__array__")
    given = sigma if isinstance(sigma, (str, bytes)) or not many else real_array("sigma", sigma)
    if not isinstance(given, np.ndarray) or given.ndim == 0:
        value = real("sigma", given)
        if value < 0:
            raise ValueError(f"sigma must be >= 0, got {sigma!r}")
        return value
    kind = np.float32 if given.dtype == np.float32 else np.float64
    array: FloatArray = np.array(given, kind, order="C")
    if array.size == 0 or not array.min() >= 0:  # nor is NaN
        raise ValueError(
            "sigma must be >= 0 everywhere, inf where a pixel is unknown, got "
            + (f"a least value of {array.min():g}" if array.size else f"shape {array.shape}")
        )
    return array


def sigma_of_images(
    sigma: Sigma | None, stack: tuple[int, ...], plane: tuple[int, ...]
) -> list[Sigma | None]:
    """Return the sigma of every image of a stack of that shape, () for a single image.

    Each is None, a number, or an array like a plane of the image.
    """
    n = math.prod(stack)
    if sigma is None or isinstance(sigma, float):
        return [sigma] * n
    if sigma.shape == stack:
        return [float(value) for value in sigma.flat]
    if sigma.shape != (*stack, *plane):
        wanted = f"{plane}, a map" if not stack else f"{stack}, or {(*stack, *plane)}, maps"
        raise ValueError(
            f"sigma must be a number or an array of shape {wanted}, got shape {sigma.shape}"
        )
    return list(sigma.reshape(n, *plane))


def beside(sigma: Sigma | None, stack: tuple[int, ...], n_axes: int = 2) -> Sigma | None:
    """The sigma of `sigma_of_images` such that it goes with (..., *plane, channels)."""
    if sigma is None or isinstance(sigma, float):
        return sigma
    after = n_axes + 1 if sigma.shape == stack else 1
    return sigma.reshape(*sigma.shape, *[1] * after)


@overload
def scale_sigma(sigma: Sigma, data_range: float, gain: float = 1.0) -> Sigma: ...
@overload
def scale_sigma(sigma: Sigma | None, data_range: float, gain: float = 1.0) -> Sigma | None: ...
def scale_sigma(sigma: Sigma | None, data_range: float, gain: float = 1.0) -> Sigma | None:
    """Return a checked sigma in units of the data range, None to estimate it.

    ``gain`` is how much larger than the image what it is the noise of may be.
    """
    if sigma is None:
        return None
    known = np.isfinite(sigma)
    largest = float(np.max(sigma, where=known, initial=-1))
    if largest < 0:
        raise ValueError("sigma must be finite for some pixels of an image, got inf for all")
    if largest > 10 * data_range * gain:
        raise ValueError(
            f"sigma must be at most {10 * gain:.4g} times data_range ({data_range:g}), got "
            f"{largest!r}: it is in the units of the image, so 25 on the 0-255 scale is 25/255 for "
            "an image in [0, 1]"
        )
    level: Sigma = sigma / data_range  # a new array
    if not isinstance(level, float):
        level[~known] = UNKNOWN
    return level
