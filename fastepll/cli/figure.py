"""Pictures side by side, in 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP = 8  # white pixels between panels


def side_by_side(
    panels: Sequence[NDArray[Any]], data_range: float | str | None
) -> NDArray[np.uint8]:
    """One picture of all.

    Parameters
    ----------
    panels : sequence of (height, width) or (height, width, 3) arrays
        Smaller ones are enlarged to the height of the tallest by a whole number, pixel by pixel.
        Masks of bool are white where they are True.
    data_range : float or "auto", optional
        Step from black to white. None: of integers their largest value, of floats 1. "auto": as
        far as the values of the first panel go.
    """
    height = max(len(panel) for panel in panels)
    colour = any(panel.ndim == 3 for panel in panels)
    black, white = limits(panels[0], data_range)
    shown: list[NDArray[np.uint8]] = []
    for panel in panels:
        pixels = eight_bits(panel, *((0, 1) if panel.dtype == np.bool_ else (black, white)))
        factor = height // len(pixels)
        pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
        if colour and pixels.ndim == 2:
            pixels = np.stack([pixels] * 3, axis=-1)
        if shown:
            shown.append(np.full((height, GAP, *pixels.shape[2:]), 255, np.uint8))
        shown.append(pixels)
    return np.hstack(shown)


def limits(pixels: NDArray[Any], data_range: float | str | None) -> tuple[float, float]:
    """The values that are shown black and white: from 0, but where much lies below it."""
    low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
    if isinstance(data_range, str):
        return min(low, 0.0), max(high, low + 1e-30)
    if data_range is not None:
        step = data_range
    else:
        step = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "iu" else 1.0
    black = low if low < -step / 4 else 0.0
    return black, black + step


def eight_bits(pixels: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    """Pixels as uint8; what is unknown (NaN) is black."""
    scaled = np.nan_to_num((pixels - np.float64(black)) * (255 / (white - black)))
    result: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return result
