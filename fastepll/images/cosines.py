"""The orthonormal cosine basis of mean-free patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dct_basis(patch_shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Orthonormal cosine basis of mean-free patches, shape (d, d - 1), cosines along every axis.

    Training runs in these coordinates: the mean is gone and the remaining directions are nearly
    uncorrelated for natural images, which keeps float32 products accurate.

    Examples
    --------
    >>> basis = dct_basis((3, 4, 3))
    >>> bool(np.allclose(basis.T @ basis, np.eye(35))) and bool(np.allclose(basis.sum(0), 0))
    True
    """

    def cosines(n: int) -> NDArray[np.float64]:
        wave = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n)
        unit: NDArray[np.float64] = wave / np.sqrt((wave**2).sum(axis=1, keepdims=True))
        return unit

    matrix: NDArray[np.float64] = np.ones((1, 1))
    for n in patch_shape:
        matrix = np.asarray(np.kron(matrix, cosines(n)), np.float64)
    return np.ascontiguousarray(matrix.T[:, 1:], dtype=np.float64)


def dct_matrix(n: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II, (n, n): row u is the cosine of frequency u, row 0 the mean times √n."""
    u, i = np.arange(n)[:, None], np.arange(n)
    matrix: NDArray[np.float64] = np.cos(np.pi * u * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
    matrix[0] = n**-0.5
    return matrix
