"""Two scales of an image: what the coarser one knows better."""

from __future__ import annotations

import numpy as np

from fastepll.typing import FloatArray

ROWS = 32  # coarse rows at a time, so that temporaries stay small


def halve(image: FloatArray, out: FloatArray) -> FloatArray:
    """Means of 2x2 pixels, (h // 2, w // 2), written to ``out``; an odd last row or column is left.

    White noise in the image is white in the result, of half the standard deviation.
    """
    height, width = 2 * out.shape[0], 2 * out.shape[1]
    np.add(image[0:height:2, 0:width:2], image[1:height:2, 0:width:2], out=out)
    out += image[0:height:2, 1:width:2]
    out += image[1:height:2, 1:width:2]
    out *= image.dtype.type(0.25)
    return out


def add_coarse(image: FloatArray, coarse: FloatArray, weight: float, scratch: FloatArray) -> None:
    """Add weight * enlarged(coarse - halve(image)) to the image; ``scratch`` is like ``coarse``.

    Enlarged by linear interpolation between the centres of the coarse pixels.
    """
    difference = np.subtract(coarse, halve(image, scratch), out=scratch)
    difference *= image.dtype.type(weight)
    height, width = coarse.shape
    columns = np.clip(np.arange(-1, width + 1), 0, width - 1)
    for start in range(0, height, ROWS):
        stop = min(start + ROWS, height)
        rows = np.clip(np.arange(start - 1, stop + 1), 0, height - 1)
        part = enlarge(difference[rows][:, columns])
        image[2 * start : 2 * stop, : 2 * width] += enlarge(part.T).T


def enlarge(image: FloatArray) -> FloatArray:
    """Twice as many rows, by linear interpolation, of all rows but the first and the last."""
    result = np.empty((2 * len(image) - 4, image.shape[1]), image.dtype)
    near = image[1:-1] * image.dtype.type(0.75)
    for i, other in enumerate((image[:-2], image[2:])):
        np.multiply(other, image.dtype.type(0.25), out=result[i::2])
        result[i::2] += near
    return result
