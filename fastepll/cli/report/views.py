"""What is compared: the pictures at a size for a page, their difference, their histograms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll.cli.figure import eight_bits

WIDTH = 1024  # pixels of a picture on the page; wider ones are reduced
TIMES = (64, 32, 16, 8, 4, 2, 1, 0.5)  # what differences are multiplied by
BINS = 128


def views(
    before: NDArray[Any], after: NDArray[Any], n_pixels: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any], str]]:
    """What is shown of two pictures, with words: all, reduced if need be, then the centre too."""
    height, width = before.shape[:2]
    factor = max(math.ceil(width / WIDTH), math.ceil(math.sqrt(height * width / n_pixels)))
    if factor == 1:
        yield before, after, ""
        return
    words = (
        f"Shown at 1/{factor} of its width: each pixel is the mean of {factor}x{factor}, "
        "which lowers noise too."
    )
    yield reduced(before, factor), reduced(after, factor), words
    side = min(height, width, math.isqrt(n_pixels) // 2)
    centre = tuple(slice((n - side) // 2, (n + side) // 2) for n in (height, width))
    yield before[centre], after[centre], f"The {side}x{side} pixels at the centre, unreduced."


def reduced(pixels: NDArray[Any], factor: int) -> NDArray[np.float64]:
    """Means of squares of so many pixels a side; what is left over at the end is cut off."""
    rows, columns = (min(factor, n) for n in pixels.shape[:2])
    height, width = (n // min(factor, n) for n in pixels.shape[:2])
    mean = np.zeros((height, width, *pixels.shape[2:]))  # large pictures need no copy
    for i in range(rows):
        for j in range(columns):
            mean += pixels[i : height * rows : rows, j : width * columns : columns]
    mean /= rows * columns
    return mean


def difference(
    before: NDArray[Any], after: NDArray[Any], step: float
) -> tuple[NDArray[np.uint8], str]:
    """After - before around middle gray, times a number that lets most of it be seen; words."""
    change = after.astype(np.float64) - before
    if not change.any():
        return np.full(before.shape, 128, np.uint8), "Difference: none."
    change = np.nan_to_num(change, posinf=0, neginf=0)
    size = np.abs(change)
    most = np.quantile(size, 0.99) or size.max()
    times = next((n for n in TIMES if n * most <= step / 2), TIMES[-1])
    words = (
        f"Difference, after - before, times {times:g}; middle gray: the same. "
        f"Root mean square {np.sqrt(np.mean(change**2)):.4g}, largest {size.max():.4g}, "
        f"of {step:g} from black to white."
    )
    return eight_bits(times * change + step / 2, 0, step), words


def histograms(before: NDArray[Any], after: NDArray[Any], black: float, white: float) -> str:
    """Figure of how often each value occurs before and after, all channels together."""
    counts = [
        np.histogram(pixels[np.isfinite(pixels)].clip(black, white), BINS, (black, white))[0]
        / pixels.size
        for pixels in (before, after)
    ]
    most = max(float(one[1:-1].max()) for one in counts) or 1.0  # the ends hold what was clipped
    first, second = (
        " ".join(
            f"{x},{y:.1f}"
            for k, y in enumerate(100 - 95 * np.minimum(one / most, 1.05))
            for x in (2 * k, 2 * k + 2)
        )
        for one in counts
    )
    return f"""<figure>
<svg viewBox="0 0 {2 * BINS} 100" preserveAspectRatio="none" style="height: 10rem" role="img"
aria-label="Histograms of the values before and after">
<polygon class="first" points="0,100 {first} {2 * BINS},100"/>
<polyline class="second" points="{second}"/>
<path class="axis" d="M0 100H{2 * BINS}"/></svg>
<figcaption>How often values occur, from {black:g} (left) to {white:g} (right):
<span class="key first"></span> before, <span class="key second"></span> after.</figcaption>
</figure>"""
