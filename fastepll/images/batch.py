"""Arrays of several images, and alpha channels: one image after the other, the colours alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.measurements import check_unknown
from fastepll.images.channels import channels_last
from fastepll.typing import Poll

Fill: TypeAlias = Callable[[int, "NDArray[Any]", "NDArray[Any]", "Poll | None"], None]
"""Called with the number of an image, its values, what to fill, and a callback for its progress."""


def fill_images(
    fill: Fill,
    source: NDArray[Any],
    target: NDArray[Any],
    *,
    n_axes: int = 2,
    alpha: bool,
    progress: Poll | None,
) -> None:
    """Fill the images of an array one by one, their colours without alpha.

    Parameters
    ----------
    fill : callable
        Fills one image.
    source : array (..., *plane, channels)
        What was measured of each image, with ``n_axes`` axes of a plane.
    target : array (..., height, width, channels)
        The images. With ``alpha`` their last channel becomes that of the source.
    """
    if alpha:
        (source, opacity), (target, same) = colours_and_alpha(source), colours_and_alpha(target)
        same[...] = opacity
    at = list(np.ndindex(source.shape[: -n_axes - 1]))
    for k, i in enumerate(at):
        fill(k, source[i], target[i], part(progress, k, len(at)))


def empty_images(
    array: NDArray[Any], channel_axis: int | None, n_axes: int, shape: tuple[int, int]
) -> NDArray[Any]:
    """New images of that height and width, with the stack, the channels and the dtype of an array.

    ``n_axes`` are those of a plane of the array.
    """
    source = channels_last(array, channel_axis)
    result = [*source.shape[: -n_axes - 1], *shape]
    if channel_axis is not None:
        n = len(result) + 1
        result.insert(channel_axis % n if channel_axis < 0 else channel_axis, source.shape[-1])
    return np.empty(result, array.dtype)


def part(progress: Poll | None, k: int, n: int) -> Poll | None:
    """Callback for piece k of n, that tells the fraction of the whole."""
    if progress is None or n == 1:
        return progress
    return lambda fraction: progress((k + fraction) / n)


def colours_and_alpha(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views of the channels but for the last, and of the last, of (..., channels)."""
    return image[..., :-1], image[..., -1]


def masks_of_images(
    masks: ArrayLike, shape: tuple[int, ...], axis: int | None, *, alpha: bool
) -> list[NDArray[np.bool_]]:
    """The mask of each image of an array of that shape: one for all, one each, or with channels.

    Those with channels have them last, without alpha.
    """
    array = check_unknown(masks)
    source = channels_last(np.broadcast_to(False, shape), axis)
    stack, plane = source.shape[:-1], source.shape[-3:-1]
    if array.shape == plane:
        return [array] * math.prod(stack[:-2])
    if array.shape == stack:
        return list(array.reshape(-1, *plane))
    if axis is None or array.shape != shape:
        wanted = dict.fromkeys([plane, stack] + [shape] * (axis is not None))
        several = f"one of the shapes {', '.join(map(str, wanted))}"
        raise ValueError(
            f"mask must have {several if len(wanted) > 1 else f'the shape {plane} of the image'}, "
            f"got {array.shape}"
        )
    array = channels_last(array, axis)
    array = colours_and_alpha(array)[0] if alpha else array
    return list(array.reshape(-1, *array.shape[-3:]))


def fill_unknown(
    source: NDArray[Any], masks: Sequence[NDArray[np.bool_]], *, alpha: bool
) -> NDArray[Any]:
    """Copy of images (..., height, width, channels) whose unknown pixels have a median value.

    That of the known values of the channel. Masks have one channel for all, or those of the image.
    """
    known = source.copy()
    colours = colours_and_alpha(known)[0] if alpha else known
    for i, mask in zip(np.ndindex(source.shape[:-3]), masks, strict=True):
        planes = [colours[i]] if mask.shape[-1] == 1 else np.moveaxis(colours[i], -1, 0)
        for plane, hole in zip(planes, np.moveaxis(mask, -1, 0), strict=True):
            values = plane[~hole]  # their median, whatever a single pixel holds
            plane[hole] = np.partition(values, len(values) // 2, axis=0)[len(values) // 2]
    return known
