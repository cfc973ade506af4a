"""Validation of operators, of what they are made of, and of what is given to `restore`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_count, integer, real_array
from fastepll._validation.array_like import as_array
from fastepll._validation.images import check_channels, check_dtype
from fastepll._warnings import warn
from fastepll.typing import FloatArray

USUAL_SUM = (0.9, 1.1)  # of a kernel: what is cut off or rounded, not a gain


def check_measurement(
    y: ArrayLike,
    channel_axis: int | None,
    shape: tuple[int, ...],
    *,
    stack: bool = False,
    alpha: bool = False,
) -> NDArray[Any]:
    """Return what was measured as an array of image dtype, of the operator's shape and channels.

    With ``stack`` it has more axes, in front of those; with ``alpha`` at least two channels.
    """
    array = check_dtype("y", y)
    axis = integer("channel_axis", channel_axis)
    wanted = len(shape) + (axis is not None)
    if alpha and axis is None:
        check_channels("y", array.shape, axis, alpha=alpha)
    if array.ndim < wanted or (array.ndim > wanted and not stack):
        hint = "; for colour give channel_axis" if array.ndim == len(shape) + 1 else ""
        hint += "; for several images give stack=True" if array.ndim > wanted else ""
        raise ValueError(
            f"y must be {wanted}-D{' or more' * stack} with channel_axis {axis}, "
            f"got shape {array.shape}{hint}"
        )
    check_channels("y", array.shape, axis, alpha=alpha)
    found = array.shape if axis is None else np.moveaxis(array, axis, -1).shape[:-1]
    if found[len(found) - len(shape) :] != shape:
        raise ValueError(f"y must have the shape {shape} that the operator gives, got {found}")
    if array.size == 0:
        raise ValueError(f"y must not be empty, got shape {array.shape}")
    return array


def check_plane(name: str, plane: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Return a plane of that shape in float32 if it is, else in float64."""
    array = np.asarray(plane)
    if array.shape != shape:
        raise ValueError(f"{name} must have the operator's shape {shape}, got {array.shape}")
    if array.dtype.name not in {"float32", "float64"}:
        array = array.astype(np.float64)
    return array


def check_start(start: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a finite first image of that shape."""
    array = real_array("start", start).astype(np.float64)
    if array.shape != shape:
        raise ValueError(f"start must have the shape {shape} of the result, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("start must be finite, got NaN or infinite values")
    return array


def check_sides(name: str, shape: Sequence[int]) -> tuple[int, int]:
    """Return the height and width of a plane."""
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
        raise TypeError(f"{name} must be a sequence of integers, got {type(shape).__name__}")
    if len(shape) != 2:
        raise ValueError(f"{name} must have 2 numbers, got {shape!r}")
    return check_count(name, shape[0], 1, sys.maxsize), check_count(name, shape[1], 1, sys.maxsize)


def check_kernel(kernel: ArrayLike, shape: tuple[int, int] | None) -> NDArray[np.float64]:
    """Return a kernel that fits into an image of that shape; None: any."""
    array = real_array("kernel", kernel).astype(np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"kernel must be 2-D and not empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("kernel must be finite, got NaN or infinite values")
    if not array.any():
        raise ValueError("kernel must have a value other than 0")
    if shape is not None and (array.shape[0] > shape[0] or array.shape[1] > shape[1]):
        raise ValueError(f"kernel must be no larger than the image {shape}, got {array.shape}")
    return array


def told_sum(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a checked kernel, of whose sum the caller is told if it is far from 1."""
    total = float(kernel.sum())
    if not USUAL_SUM[0] <= total <= USUAL_SUM[1]:
        cure = "the gain of the exposure; if there is none, pass kernel / kernel.sum()"
        if abs(total) < 1e-6 * np.abs(kernel).sum():
            cure = "so that the measurement says nothing of the brightness of the image"
        warn(f"kernel sums to {total:.4g}, not to 1, {cure}")
    return kernel


def check_mask(mask: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[np.bool_]:
    """Return a mask, True where a pixel is unknown, of that shape; None: any."""
    array = check_unknown(mask)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"mask must be 2-D and not empty, got shape {array.shape}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"mask must have the shape {shape} of the image, got {array.shape}")
    if array.all():
        raise ValueError("mask must leave a pixel known (False), got only True")
    return array


def check_unknown(mask: ArrayLike) -> NDArray[np.bool_]:
    """Return an array of bool."""
    array = as_array("mask", mask).copy()
    if array.dtype != np.bool_:
        raise TypeError(
            f"mask must be of bool, True where a pixel is unknown, got dtype {array.dtype}"
        )
    return array


def check_mask_of_image(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (height, width) or (height, width, channels) with an axis of channels.

    It has more than one if they are not all unknown in the same places.
    """
    if mask.ndim == 2:
        return check_mask(mask)[..., None]
    if mask.all(axis=(0, 1)).any():
        raise ValueError("mask must leave a pixel of every channel known (False), got only True")
    return mask[..., :1] if (mask == mask[..., :1]).all() else mask


def check_gain(gain: ArrayLike) -> NDArray[np.float64]:
    """Return the gain of every pixel."""
    array = real_array("gain", gain).astype(np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"gain must be 2-D and not empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("gain must be finite, got NaN or infinite values")
    if not array.any():
        raise ValueError("gain must have a value other than 0")
    return array


def check_factor(factor: int) -> int:
    """Return the factor by which an image was shrunk."""
    value = integer("factor", factor)
    if value is None or not 2 <= value <= 8:
        raise ValueError(f"factor must be one of 2 to 8, got {factor!r}")
    return value


def check_callback(callback: object) -> None:
    """Raise TypeError unless the callback can be called, or is None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")


def check_single(start: object, callback: object, *, alpha: bool, same: bool) -> None:
    """Raise ValueError if `fastepll.restore` cannot do that for a stack, or beside alpha."""
    if start is not None or callback is not None:
        raise ValueError("start and callback must be None with stack or alpha")
    if alpha and not same:
        raise ValueError("alpha must be False for an operator that changes the shape, got True")
