"""Mixtures whose covariances are simpler than they are: the cascade's tables, in float32.

`fastepll.backends.reference.structured_costs` is the definition. On the leading axes of the mixture
C_k = LLᵀ, and the cost is ‖L⁻¹c‖² there; each band of the others adds its squared
norm over its variance.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll.typing import IntArray

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture

Float32 = NDArray[np.float32]

ROWS = 4  # rows of L⁻¹ multiplied at a time: they are padded to a multiple


class Structured(NamedTuple):
    """One stage of the cascade at one noise level."""

    edges: IntArray  # (b + 1,): where the bands begin, and the end of the last
    whiten: Float32  # (k, h, h): L⁻¹, padded by zeros
    precision: Float32  # (k, b): 1 / variance of each band
    constant: Float32  # (k,): cost of the zero patch


def empty(model: GaussianMixture, edges: list[int]) -> Structured:
    """Room for all components, and for none without edges."""
    k = model.k if edges else 0
    side = -(-edges[0] // ROWS) * ROWS if edges else 0
    return Structured(
        edges=np.array(edges, np.int32),
        whiten=np.zeros((k, side, side), np.float32),
        precision=np.empty((k, max(0, len(edges) - 1)), np.float32),
        constant=np.empty(k, np.float32),
    )


def fill(
    stage: Structured,
    i: slice,
    model: GaussianMixture,
    noise_var: float,
    axes: NDArray[np.float64],
) -> None:
    """Compute a stage for some components, on those axes (rows)."""
    values = model.eigenvalues[i]
    rotated = axes @ model.eigenvectors[i]
    lead = int(stage.edges[0])
    roots = (rotated[:, :lead] * np.sqrt(values + noise_var)[:, None]).transpose(0, 2, 1)
    lower = np.asarray(np.linalg.qr(roots, mode="r")).transpose(0, 2, 1)
    stage.whiten[i, :lead, :lead] = np.linalg.inv(lower)
    diagonal = np.abs(np.diagonal(lower, axis1=1, axis2=2))
    constant = 2 * np.log(diagonal).sum(axis=1) - 2 * np.log(model.weights[i])
    spread = (np.square(rotated) @ values[:, :, None])[:, :, 0]
    for band, (a, b) in enumerate(pairwise(stage.edges.tolist())):
        variance = spread[:, a:b].mean(axis=1) + noise_var
        stage.precision[i, band] = 1 / variance
        constant += (b - a) * np.log(variance)
    stage.constant[i] = constant
