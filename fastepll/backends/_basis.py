"""The axes that all components of a mixture share: what coefficients of a patch mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture


def principal_axes(model: GaussianMixture) -> NDArray[np.float64]:
    """Orthonormal rows (d, d): the constant vector, then the axes of the mixture, widest first.

    The first axis is what mean-free patches do not need. The others are the principal axes of the
    mixture's covariance, of which the leading quarter of each component's eigenvectors has nearly
    all.
    """
    d, lead = model.d, -(-model.d // 4)
    shares = model.weights[:, None] * model.eigenvalues[:, :lead]
    total = np.zeros((d, d))  # by small products, which a BLAS leaves to one thread
    for vectors, share in zip(model.eigenvectors, np.sqrt(shares), strict=True):
        root = vectors[:, :lead] * share
        total += root @ root.T
    constant = np.full(d, d**-0.5)
    centre = np.eye(d) - np.outer(constant, constant)
    axes = np.linalg.eigh(centre @ total @ centre - np.outer(constant, constant))[1]
    return np.vstack([constant, axes[:, :0:-1].T])


def planar_order(model: GaussianMixture) -> NDArray[np.intp]:
    """Indices (d,) that take the values of a patch channel by channel instead of pixel by pixel."""
    height, width = model.patch_shape[:2]
    return np.arange(model.d).reshape(height * width, -1).T.ravel()
