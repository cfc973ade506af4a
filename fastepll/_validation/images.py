"""Validation of image arrays: their dtype, axes and shape, and whether a patch fits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_count, check_flag, integer
from fastepll._validation.array_like import as_array
from fastepll.typing import HasPatches

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "uint16", "int8", "int16", "int32", "uint32")
DTYPES = tuple(np.dtype(t) for t in FLOATS + INTEGERS)


class Layout(TypedDict):
    """What the axes of an array are but for the channels'."""

    stack: bool
    spatial_axes: int
    alpha: bool


def check_image(
    image: ArrayLike,
    channel_axis: int | None = None,
    name: str = "image",
    *,
    stack: bool = False,
    alpha: bool = False,
    spatial_axes: int = 2,
) -> NDArray[Any]:
    """Return the image as an array of one of `DTYPES`, with its spatial axes and a channel axis.

    With ``stack`` it has more axes, in front of these; with ``alpha`` at least two channels.
    """
    array = check_dtype(name, image)
    axis = check_axis(channel_axis, stack=stack, spatial_axes=spatial_axes)
    wanted = spatial_axes + (axis is not None)
    if array.ndim < wanted or (array.ndim > wanted and not stack):
        hints = ["for colour give channel_axis, -1 for (height, width, channels)"]
        hints = hints[: array.ndim == 3 == wanted + 1 and axis is None]
        if array.ndim > wanted:
            hints.append("for several images give stack=True")
        raise ValueError(
            f"{name} must be {wanted}-D{' or more' * stack} with channel_axis {axis}, "
            f"got shape {array.shape}" + "".join(f"; {hint}" for hint in hints)
        )
    check_channels(name, array.shape, axis, alpha=alpha)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def check_layout(*, stack: bool, spatial_axes: int, alpha: bool) -> Layout:
    """Return what the axes of an array are: 2 of space, or 3 of a volume, and others."""
    return {
        "stack": check_flag("stack", stack),
        "spatial_axes": check_count("spatial_axes", spatial_axes, 2, 3),
        "alpha": check_flag("alpha", alpha),
    }


def check_axis(
    channel_axis: int | None, *, stack: bool = False, spatial_axes: int = 2
) -> int | None:
    """Return the axis of the channels, None for gray; of a stack it is not known to be one yet."""
    axis, n = integer("channel_axis", channel_axis), spatial_axes + 1
    if axis is not None and not stack and not -n <= axis < n:
        raise ValueError(f"channel_axis must be in [-{n}, {n - 1}] for a {n}-D image, got {axis}")
    return axis


def check_channels(
    name: str, shape: Sequence[int], axis: int | None, *, alpha: bool = False
) -> None:
    """Raise ValueError unless an array of that shape has such an axis, with alpha if wanted."""
    n = len(shape)
    if axis is not None and not -n <= axis < n:
        raise ValueError(f"channel_axis must be in [{-n}, {n - 1}], got {axis}")
    if alpha and (axis is None or shape[axis] < 2):
        raise ValueError(
            f"{name} must have at least 2 channels, the last of them alpha, for alpha=True, "
            f"got shape {tuple(shape)} with channel_axis {axis}"
        )


def check_shape(
    shape: Sequence[int],
    channel_axis: int | None,
    *,
    stack: bool = False,
    alpha: bool = False,
    spatial_axes: int = 2,
) -> tuple[int, ...]:
    """Return the spatial axes and the number of channels to restore of the images to come."""
    wanted = spatial_axes + (channel_axis is not None)
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
        raise TypeError(f"shape must be a sequence of integers, got {type(shape).__name__}")
    if len(shape) < wanted or (len(shape) > wanted and not stack):
        raise ValueError(f"shape must have {wanted} numbers{' or more' * stack}, got {shape!r}")
    sides = [check_count("shape", side, 1, sys.maxsize) for side in shape]
    check_channels("shape", sides, channel_axis, alpha=alpha)
    n_channels = 1 if channel_axis is None else sides.pop(channel_axis)
    return (*sides[-spatial_axes:], n_channels - alpha)


def check_out(out: NDArray[Any], array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that the result for a checked image is written to."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an array or None, got {type(out).__name__}")
    if out.dtype != array.dtype:
        raise TypeError(f"out must be of the image's dtype {array.dtype}, got {out.dtype}")
    if out.shape != array.shape:
        raise ValueError(f"out must have the image's shape {array.shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    return out


def check_fit(shape: Sequence[int], model: HasPatches) -> None:
    """Raise ValueError unless a patch fits into an image (height, width, channels).

    Of a volume (depth, height, width, channels) into its planes in all directions.
    """
    patch = model.patch_shape
    if len(shape) == 4 and min(shape[:3]) < max(patch[:2]):
        raise ValueError(
            f"volume must have at least {max(patch[:2])} voxels along each axis, as the model's "
            f"patches, got shape {tuple(shape[:3])}; stack=True restores its slices one by one"
        )
    if shape[0] < patch[0] or shape[1] < patch[1]:
        raise ValueError(
            f"image must be at least as large as the model's {patch[0]}x{patch[1]} patches, "
            f"got {shape[0]}x{shape[1]} pixels"
        )
    if len(patch) == 3 and shape[-1] != patch[2]:
        raise ValueError(
            f"image must have the {patch[2]} channels of the model's patches, got {shape[-1]}"
        )


def check_stride(stride: int, model: HasPatches) -> None:
    """Raise ValueError if a grid of that step leaves pixels between the model's patches."""
    if stride > min(model.patch_shape[:2]):
        raise ValueError(
            f"quality must have a stride of at most the side of the model's patches "
            f"{model.patch_shape[:2]}, got {stride}"
        )


def check_dtype(name: str, image: ArrayLike) -> NDArray[Any]:
    """Return intensities as an array of one of `DTYPES`."""
    array = as_array(name, image)
    if array.dtype.newbyteorder("=") not in DTYPES:
        raise TypeError(
            f"{name} must be an array of {', '.join(map(str, DTYPES))}, "
            f"got {type(image).__name__} of dtype {array.dtype}"
        )
    return array
