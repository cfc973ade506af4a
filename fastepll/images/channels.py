"""Colour: the planes in which an image of several channels is restored.

A prior of colour patches restores the channels together, a gray one opponent planes one by one.

The gray prior sees the luminance as the mean of the channels, whose noise is sigma/√C, and the
chroma planes as the orthonormal transform gives them. How they are scaled hardly matters: with the
shipped prior, ``bench/color.py --images 12`` at sigma 15 gives 32.73 / 32.78 / 32.79 / 32.77 /
32.77 / 32.73 dB for chroma times 0.35 / 0.58 / 1 / 2 / 4 / 8, and 30.47 dB for R, G, B one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastepll.images.cosines import dct_matrix
from fastepll.typing import FloatArray

if TYPE_CHECKING:
    from fastepll.typing import HasPatches

BLOCK = 1 << 15  # values converted at a time, so that no temporary has the size of the image


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """View of a checked image as (height, width, channels), of a stack with its axes in front."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def in_one_plane(image: NDArray[Any]) -> NDArray[Any]:
    """An image (height, width, channels); the slices of a volume of such, one below the other."""
    return image.reshape(-1, *image.shape[-2:])


@dataclass(frozen=True, eq=False)
class Planes:
    """Linear map between C channels and C planes.

    Attributes
    ----------
    analysis : (C, C) array
        Plane c is ``analysis[c] @ channels``.
    synthesis : (C, C) array
        Its inverse.
    gains : (C,) array
        White noise of standard deviation 1 in every channel has ``gains[c]`` in plane c, and the
        noise of different planes is uncorrelated.
    groups : tuple of tuples of int
        Planes that are restored together.
    """

    analysis: NDArray[np.float64]
    synthesis: NDArray[np.float64]
    gains: NDArray[np.float64]
    groups: tuple[tuple[int, ...], ...]


@cache
def opponent_planes(n_channels: int) -> Planes:
    """Planes for ``n_channels`` >= 1: the mean of the channels, then the other rows of their DCT.

    For R, G, B these are (R + G + B)/3, (R - B)/√2 and (R - 2G + B)/√6; one channel stays as it is.
    """
    basis = dct_matrix(n_channels)
    gains = np.ones(n_channels)
    gains[0] = n_channels**-0.5
    groups = tuple((c,) for c in range(n_channels))
    return Planes(basis * gains[:, None], basis.T / gains, gains, groups)


@cache
def channel_planes(n_channels: int) -> Planes:
    """The channels themselves, restored together."""
    same = np.eye(n_channels)
    return Planes(same, same, np.ones(n_channels), (tuple(range(n_channels)),))


def planes_for(n_channels: int, model: HasPatches) -> Planes:
    """Planes in which the model sees an image: those of gray patches are opponent planes."""
    of_color = len(model.patch_shape) == 3
    return channel_planes(n_channels) if of_color else opponent_planes(n_channels)


def to_plane(image: NDArray[Any], weights: NDArray[np.float64], out: FloatArray) -> FloatArray:
    """Weighted sum of the channels of (..., channels), in ``out`` (...)."""
    if len(weights) == 1:
        if weights[0] == 1:
            np.copyto(out, image[..., 0], casting="unsafe")
        else:
            np.multiply(image[..., 0], weights[0], out=out, dtype=np.float64, casting="unsafe")
        return out
    rows = max(1, BLOCK // image[0].size)
    for start in range(0, len(image), rows):
        part = slice(start, start + rows)
        total = image[part, ..., 0] * weights[0]  # no matrix product: its rounding may vary
        for c in range(1, len(weights)):
            total += image[part, ..., c] * weights[c]
        out[part] = total
    return out


def from_planes(planes: Sequence[FloatArray], mix: NDArray[np.float64], out: NDArray[Any]) -> None:
    """Fill (..., channels) with ``mix @ planes``, rounded and clipped for integers."""
    if len(mix) == 1 and mix[0, 0] == 1 and out.dtype.kind == "f":
        np.copyto(out[..., 0], planes[0], casting="unsafe")
        return
    rows = max(1, BLOCK // out[0].size)
    for start in range(0, len(out), rows):
        part = slice(start, start + rows)
        for channel, weights in enumerate(mix):
            values = planes[0][part] * weights[0]
            for c in range(1, len(planes)):
                values += planes[c][part] * weights[c]
            if out.dtype.kind in "iu":
                limits = np.iinfo(out.dtype)
                np.rint(values, out=values)
                np.clip(values, limits.min, limits.max, out=values)
            out[part, ..., channel] = values
