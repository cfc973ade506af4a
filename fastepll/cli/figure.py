"""Pictures side by side, in 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP = 8  # white pixels between panels


def side_by_side(panels: Sequence[NDArray[Any]], data_range: float | None) -> NDArray[np.uint8]:
    """One picture of all.

    Parameters
    ----------
    panels : sequence of (height, width) or (height, width, 3) arrays
        Smaller ones are enlarged to the height of the tallest by a whole number, pixel by pixel.
        Masks of bool are white where they are True.
    data_range : float, optional
        What is white. None: of integers their largest value, of floats 1.
    """
    height = max(len(panel) for panel in panels)
    colour = any(panel.ndim == 3 for panel in panels)
    shown: list[NDArray[np.uint8]] = []
    for panel in panels:
        pixels = eight_bits(panel, data_range)
        factor = height // len(pixels)
        pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
        if colour and pixels.ndim == 2:
            pixels = np.stack([pixels] * 3, axis=-1)
        if shown:
            shown.append(np.full((height, GAP, *pixels.shape[2:]), 255, np.uint8))
        shown.append(pixels)
    return np.hstack(shown)


def eight_bits(pixels: NDArray[Any], data_range: float | None) -> NDArray[np.uint8]:
    """Pixels as uint8; what is unknown (NaN) is black."""
    if pixels.dtype == np.bool_:
        white = 1.0
    elif data_range is not None:
        white = data_range
    else:
        white = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
    scaled = np.nan_to_num(pixels * (255 / white))
    result: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return result
