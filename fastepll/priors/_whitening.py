"""Coordinates in which autoregressive priors run: white, and in an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from fastepll._validation.arguments import check_choice
from fastepll._validation.model_arrays import Array
from fastepll.images.cosines import dct_basis

Coordinates: TypeAlias = Literal["pixels", "principal"]


def whitening_of(c: Array, patch_shape: Sequence[int], coordinates: Coordinates) -> Array:
    """Matrix A (q, q) that makes coordinates white, y = A c.

    Parameters
    ----------
    c : array, shape (n, q)
        In the cosine basis.
    patch_shape : tuple of int
    coordinates : {"pixels", "principal"}
        y_i is what is new in pixel i, in raster order, when those before it predict it linearly
        (the last pixel is minus the sum of the others); or the principal components, from the
        largest variance on.

    Raises
    ------
    ValueError
        There is a direction without variance.
    """
    check_choice("coordinates", coordinates, ("pixels", "principal"))
    moments = c.T @ c / max(len(c), 1)
    values, axes = np.linalg.eigh(moments)
    if not values[0] > 1e-12 * values[-1]:
        raise ValueError("patches must have variance in every direction without mean")
    if coordinates == "principal":
        return np.ascontiguousarray((axes / np.sqrt(values)).T[::-1])
    pixels = dct_basis(tuple(patch_shape))[:-1]
    root = np.linalg.cholesky(pixels @ moments @ pixels.T)
    return np.linalg.solve(root, pixels)


def known_first(whitening: Array, patch_shape: Sequence[int], n_known: int) -> bool:
    """Whether the first n_known coordinates y tell as many first pixels, and these them."""
    pixels = dct_basis(tuple(patch_shape))[:-1]
    map_ = np.linalg.solve(pixels.T, whitening.T).T  # from pixels to y
    return bool(np.abs(map_[:n_known, n_known:]).max(initial=0) <= 1e-9 * np.abs(map_).max())
