"""Two scales of an image: what the coarser one knows better. NumPy, on one thread."""

from __future__ import annotations

import numpy as np

from fastepll.typing import FloatArray

ROWS = 32  # coarse rows at a time, so that temporaries stay small


def halve(image: FloatArray, out: FloatArray, *, n_threads: int = 1) -> FloatArray:
    """Means of 2x2 pixels, (h // 2, w // 2), written to ``out``; an odd last row or column is left.

    White noise in the image is white in the result, of half the standard deviation.
    """
    height, width = 2 * out.shape[0], 2 * out.shape[1]
    np.add(image[0:height:2, 0:width:2], image[1:height:2, 0:width:2], out=out)
    out += image[0:height:2, 1:width:2]
    out += image[1:height:2, 1:width:2]
    out *= image.dtype.type(0.25)
    return out


def add_coarse(
    image: FloatArray,
    coarse: FloatArray,
    weight: float,
    scratch: FloatArray,
    *,
    n_threads: int = 1,
) -> None:
    """Add weight * enlarged(coarse - halve(image)) to the image; ``scratch`` is like ``coarse``.

    Enlarged by linear interpolation between the centres of the coarse pixels.
    """
    difference = np.subtract(coarse, halve(image, scratch), out=scratch)
    difference *= image.dtype.type(weight)
    height, width = coarse.shape
    for start in range(0, height, ROWS):
        stop = min(start + ROWS, height)
        rows = np.clip(np.arange(start - 1, stop + 1), 0, height - 1)
        wide = widen(difference[rows])
        near, far = wide[1:-1] * image.dtype.type(0.75), wide * image.dtype.type(0.25)
        for i, other in enumerate((far[:-2], far[2:])):
            target = image[2 * start + i : 2 * stop : 2, : 2 * width]
            target += near
            target += other


def widen(image: FloatArray) -> FloatArray:
    """Twice as many columns, by linear interpolation; constant beyond the border."""
    result = np.empty((len(image), 2 * image.shape[1]), image.dtype)
    near, far = image * image.dtype.type(0.75), image * image.dtype.type(0.25)
    result[:, 0], result[:, -1] = image[:, 0], image[:, -1]
    np.add(near[:, 1:], far[:, :-1], out=result[:, 2::2])
    np.add(near[:, :-1], far[:, 1:], out=result[:, 1:-1:2])
    return result
