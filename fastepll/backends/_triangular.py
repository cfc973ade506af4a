"""Mixtures in triangular form: exact selection that can stop early (tables in float32).

Patches are written in an orthonormal basis that all components share: first the constant vector,
then the principal axes of the whole mixture, widest first. A mean-free patch has no constant part,
so d - 1 coordinates c remain. With C_k = S_k + s²I = L Lᵀ in that basis (L lower triangular) and
W = L⁻¹, both then without their first row and column, the distance zᵀ(S_k + s²I)⁻¹z is ‖W c‖².

The first g rows of W need the first g coordinates only and give y₁; they also bound the others.
From c₂ = L₂₁y₁ + L₂₂y₂ follows ‖y₂‖ ≥ (‖c₂‖ - ‖L₂₁‖‖y₁‖)/‖L₂₂‖, where ‖L₂₂‖² ≤ s² + ‖S₂₂‖ because
L₂₂L₂₂ᵀ is a Schur complement of C_k. So ‖y₁‖² + ‖y₂‖² exceeds a known number, and the score of the
component stays below another, long before all rows are done. Frobenius norms serve for ‖·‖: they
cost nothing and exclude nearly as much as spectral norms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll.typing import IntArray

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture

Float32 = NDArray[np.float32]

STEP = 8  # rows of W between two looks at the bound; coordinates are padded to a multiple
SLACK = 2e-5  # relative, far above float32 rounding: keeps the bound a bound


class Triangular(NamedTuple):
    """A mixture at one noise level, as the compiled code wants it (float32, padded by zeros)."""

    whiten: Float32  # (k, ...): W by STEP rows, cut after their last non-zero group of STEP
    peak: Float32  # (k,): twice the score of the zero patch
    order: IntArray  # (k,): components by falling peak
    tail: Float32  # (k, q / STEP): 1/‖L₂₂‖ before each group of rows
    leak: Float32  # (k, q / STEP): ‖L₂₁‖/‖L₂₂‖


def empty(model: GaussianMixture, noise_var: float, k: int) -> Triangular:
    """Room for the first k components but for their peak, which is there; `fill` does the rest."""
    q = -(-(model.d - 1) // STEP) * STEP
    cut = sum(STEP * (g + STEP) for g in range(0, q, STEP))
    peak = 2 * np.log(model.weights) - np.log(model.eigenvalues + noise_var).sum(axis=1)
    return Triangular(
        whiten=np.empty((k, cut), np.float32),
        peak=(peak - peak.max())[:k].astype(np.float32),
        order=np.argsort(-peak[:k]).astype(np.int32),
        tail=np.empty((k, q // STEP), np.float32),
        leak=np.empty((k, q // STEP), np.float32),
    )


def fill(
    tables: Triangular,
    i: slice,
    model: GaussianMixture,
    noise_var: float,
    axes: NDArray[np.float64],
) -> None:
    """Compute the tables of some components, on all axes (rows)."""
    values, vectors = model.eigenvalues[i], model.eigenvectors[i]
    rotated = (axes @ vectors).transpose(0, 2, 1)
    covariances = rotated.transpose(0, 2, 1) @ (values[:, :, None] * rotated)
    # C_k = RᵀR without forming C_k: L = Rᵀ is sound even where C_k is singular to rounding.
    roots = np.sqrt(values + noise_var)
    upper = np.asarray(np.linalg.qr(roots[:, :, None] * rotated, mode="r"))
    covariances, factors = covariances[:, 1:, 1:], upper[:, 1:, 1:].transpose(0, 2, 1)
    n, d = factors.shape[:2]
    q = STEP * tables.tail.shape[1]
    white = np.zeros((n, q, q), np.float32)
    white[:, :d, :d] = np.linalg.inv(factors)
    start = 0
    for j, g in enumerate(range(0, q, STEP)):
        block = white[:, g : g + STEP, : g + STEP].reshape(n, -1)
        tables.whiten[i, start : start + block.shape[1]] = block
        start += block.shape[1]
        rest = np.linalg.norm(covariances[:, g:, g:], axis=(1, 2))
        tail = (1 - SLACK) / np.sqrt(noise_var + rest)
        tables.tail[i, j] = tail
        tables.leak[i, j] = (1 + 2 * SLACK) * tail * np.linalg.norm(factors[:, g:, :g], axis=(1, 2))
