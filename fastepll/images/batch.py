"""Stacks of images, and alpha channels: one image after the other, the colours without the rest."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_flag, check_progress, integer
from fastepll._validation.images import check_channels, check_dtype
from fastepll._validation.intensities import Response, check_data_range, check_intensities
from fastepll._validation.measurements import check_unknown
from fastepll._validation.sigma import beside, check_sigma, sigma_of_images
from fastepll._warnings import once
from fastepll.images.channels import channels_last
from fastepll.typing import DataRange, Poll

P = ParamSpec("P")


def part(progress: Poll | None, k: int, n: int) -> Poll | None:
    """Callback for piece k of n, that tells the fraction of the whole."""
    if progress is None or n == 1:
        return progress
    return lambda fraction: progress((k + fraction) / n)


def colours_and_alpha(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views of the channels but for the last, and of the last, of (..., channels)."""
    return image[..., :-1], image[..., -1]


def known_alone(source: NDArray[Any], masks: Sequence[NDArray[np.bool_]]) -> NDArray[Any]:
    """Images (..., height, width, channels) with a known value for each that is not."""
    shape = masks[0].shape if masks[0].ndim == 3 else (*masks[0].shape, 1)
    hidden = np.stack(masks).reshape(*source.shape[:-3], *shape)
    hidden = np.broadcast_to(hidden, source.shape)
    return np.where(hidden, source[np.unravel_index(hidden.argmin(), hidden.shape)], source)


def over_stacks(restore: Callable[P, NDArray[Any]]) -> Callable[P, NDArray[Any]]:
    """Let a function of an image y take stacks and alpha channels too.

    It has the arguments y, sigma, model, channel_axis, stack, data_range and progress, and alpha
    where its result has the shape of y.
    """
    signature = inspect.signature(restore)

    @wraps(restore)
    def call(*args: P.args, **kwargs: P.kwargs) -> NDArray[Any]:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        options = given.arguments
        flags = {name: options.pop(name, False) for name in ("stack", "alpha")}
        for name, flag in flags.items():
            check_flag(name, flag)
        if not any(flags.values()):
            return restore(*args, **kwargs)
        names = ("y", "sigma", "channel_axis", "data_range", "progress")
        each = {name: options.pop(name) for name in names}
        masks = options.pop("mask", None)
        with once():
            return each_image(partial(restore, **options), n_axes=2, masks=masks, **each, **flags)

    return call


def each_image(
    restore: Callable[..., NDArray[Any]],
    y: ArrayLike,
    sigma: ArrayLike | None,
    *,
    n_axes: int,
    channel_axis: int | None,
    stack: bool,
    alpha: bool,
    data_range: DataRange,
    progress: Poll | None,
    response: Response | None = (0.0, 1.0),
    masks: ArrayLike | None = None,
) -> NDArray[Any]:
    """Restore the images of a stack one by one, and their colours without alpha.

    Parameters
    ----------
    restore : callable
        Called with an image and, by name, its sigma, channel axis, data range, which is that of the
        whole stack, and callback for its progress.
    y, sigma, channel_axis, stack, alpha, data_range, progress
        As for `fastepll.restore`.
    response : tuple, optional
        `fastepll.operators.Operator.response`.
    n_axes : int
        Axes of a plane of y.
    masks : array_like, optional
        As for `fastepll.inpaint`; those of an image are given to ``restore`` as ``mask``. What is
        unknown has no part in the data range.
    """
    array = check_dtype("y", y)
    axis, report = integer("channel_axis", channel_axis), check_progress(progress)
    check_channels("y", array.shape, axis, alpha=alpha)
    wanted = n_axes + (axis is not None)
    if array.ndim < wanted or (array.ndim > wanted and not stack):
        raise ValueError(
            f"y must be {wanted}-D{' or more' * stack} with channel_axis {axis}, "
            f"got shape {array.shape}"
        )
    source = channels_last(array, axis)
    lead, plane = source.shape[: -n_axes - 1], source.shape[-n_axes - 1 : -1]
    level = check_sigma(sigma)
    sigmas = sigma_of_images(level, lead, plane)
    hidden = None if masks is None else masks_of_images(masks, array.shape, axis, alpha=alpha)
    span = check_data_range(data_range)
    if array.size and (span == "auto" or (span is None and array.dtype.kind != "f")):
        whole = colours_and_alpha(source)[0] if alpha else source
        whole = whole if hidden is None else known_alone(whole, hidden)
        span = check_intensities(whole, span, "y", sigma=beside(level, lead), response=response)
    result = target = None
    for k, (i, one) in enumerate(zip(np.ndindex(lead), sigmas, strict=True)):
        image = colours_and_alpha(source[i])[0] if alpha else source[i]
        own = {} if hidden is None else {"mask": hidden[k]}
        found = restore(
            image[..., 0] if axis is None else image,
            **own,
            sigma=one,
            channel_axis=None if axis is None else -1,
            data_range=span,
            progress=part(report, k, len(sigmas)),
        )
        found = found[..., None] if axis is None else found
        if result is None or target is None:
            shape = [*lead, *found.shape[:-1]]
            if axis is not None:
                shape.insert(axis if axis >= 0 else axis + len(shape) + 1, source.shape[-1])
            result = np.empty(shape, found.dtype)
            target = channels_last(result, axis)
        if alpha:
            colours, same = colours_and_alpha(target[i])
            colours[...], same[...] = found, source[i][..., -1]
        else:
            target[i] = found
    if result is None:
        raise ValueError(f"y must not be empty, got shape {array.shape}")
    return result


def masks_of_images(
    masks: ArrayLike, shape: tuple[int, ...], axis: int | None, *, alpha: bool
) -> list[NDArray[np.bool_]]:
    """The mask of each image of a stack of that shape: one for all, one each, or with channels.

    Those with channels have them last.
    """
    array = check_unknown(masks)
    source = channels_last(np.broadcast_to(False, shape), axis)
    stack, plane = source.shape[:-1], source.shape[-3:-1]
    lead = stack[:-2]
    if array.shape == plane:
        return [array] * math.prod(lead)
    if array.shape == stack:
        return list(array.reshape(-1, *plane))
    if axis is None or array.shape != shape:
        wanted = [plane, stack] + [shape] * (axis is not None)
        raise ValueError(
            f"mask must have one of the shapes {', '.join(map(str, dict.fromkeys(wanted)))}, "
            f"got {array.shape}"
        )
    array = channels_last(array, axis)
    array = colours_and_alpha(array)[0] if alpha else array
    return list(array.reshape(-1, *array.shape[-3:]))
