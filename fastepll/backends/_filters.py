"""Wiener filters as matrices, for backends that do not filter direction by direction.

`fastepll.backends.reference.wiener` is the definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastepll.backends.passes import Pass
    from fastepll.models import GaussianMixture

Float64 = NDArray[np.float64]


def wiener_matrices(model: GaussianMixture, i: slice, step: Pass) -> tuple[Float64, Float64]:
    """Filters (k, d, d) of mean-free patches by some components, and what a patch counts (k,)."""
    values, vectors = model.eigenvalues[i], model.eigenvectors[i]
    gains = values / (values + step.noise_var)
    confidence = (1 + gains.sum(axis=1)) ** (-0.5 if step.weighting == "confidence" else 0)
    beyond = values <= step.rank_tolerance * step.noise_var
    left = model.d - 1 - np.count_nonzero(~beyond, axis=1)
    tail = np.where(left > 0, (gains * beyond).sum(axis=1) / np.maximum(left, 1), 0)[:, None]
    gains = np.where(beyond, 0, gains - tail)
    matrices = vectors * gains[:, None] @ vectors.transpose(0, 2, 1)
    return matrices + tail[:, None] * np.eye(model.d), confidence
