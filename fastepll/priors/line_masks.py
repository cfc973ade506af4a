"""The ways in which a straight line splits the pixels of a patch, and how probable each is."""

from __future__ import annotations

import numpy as np

from fastepll._validation.model_arrays import Array


def line_masks(patch_shape: tuple[int, int], *, angles: int = 720) -> tuple[Array, Array]:
    """Splits of a patch by a random line, each once, with probabilities.

    A line has a uniform angle and a uniform distance from the centre, given that it separates
    pixels (the measure of lines that no motion changes). The angles are `angles` equidistant ones;
    over the distance the probability is exact.

    Parameters
    ----------
    patch_shape : (p, q)
        Rows and columns.
    angles : int
        Angles in half a turn, >= 1. 720 find all splits of a patch of 8x8.

    Returns
    -------
    masks : numpy.ndarray, shape (m, p q)
        1 on the side of the first pixel, 0 on the other.
    probabilities : numpy.ndarray, shape (m,)
        Sum to 1.

    Examples
    --------
    >>> masks, probabilities = line_masks((8, 8))
    >>> masks.shape
    (1282, 64)
    """
    if not isinstance(angles, (int, np.integer)) or angles < 1:
        raise ValueError(f"angles must be an integer >= 1, got {angles!r}")
    rows, columns = (axis.ravel() for axis in np.indices(patch_shape))
    found: dict[bytes, float] = {}
    for angle in (np.arange(angles) + 0.5) * np.pi / angles:
        place = np.round(np.sin(angle) * rows + np.cos(angle) * columns, 12)
        stops = np.unique(place)
        below = place <= stops[:-1, None]
        for mask, width in zip(below ^ ~below[:, :1], np.diff(stops), strict=True):
            key = np.packbits(mask).tobytes()
            found[key] = found.get(key, 0.0) + width
    packed = np.frombuffer(b"".join(found), np.uint8).reshape(len(found), -1)
    masks = np.unpackbits(packed, axis=1, count=rows.size).astype(np.float64)
    widths = np.array(list(found.values()))
    return masks, widths / widths.sum()
