"""The definition of correct: one prior pass in float64 NumPy, written to be read.

A pass takes an image x and a noise variance s² = 1/beta to the minimiser over patches of
Zoran & Weiss (ICCV 2011), one step each::

    extract   z = P_i x - mean(P_i x)                         every overlapping patch
    select    k* = argmax_k log w_k - ½ log|S_k + s²I| - ½ zᵀ(S_k + s²I)⁻¹z
    wiener    ẑ = S_k*(S_k* + s²I)⁻¹ z + mean(P_i x)
    average   per pixel, over the patches that cover it

It walks over strips of patch rows so that its memory stays bounded; that is its only cunning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastepll.models import GaussianMixture

Float64 = NDArray[np.float64]


def extract(image: FloatArray, shape: tuple[int, ...]) -> tuple[Float64, Float64]:
    """Mean-free patches (n, d) and their means (n, 1), patch positions in row-major order."""
    patches = sliding_window_view(image, shape).reshape(-1, shape[0] * shape[1]).astype(np.float64)
    mean = patches.mean(axis=1, keepdims=True)
    return patches - mean, mean


def scores(patches: Float64, model: GaussianMixture, noise_var: float) -> Float64:
    """Log of weight times density of every patch under every component, (n, k).

    The constant -d/2 log 2π is left out.
    """
    result = np.empty((len(patches), model.k))
    for i in range(model.k):
        variances = model.eigenvalues[i] + noise_var
        whitened = patches @ (model.eigenvectors[i] / np.sqrt(variances))
        distance = np.einsum("nd,nd->n", whitened, whitened)
        result[:, i] = np.log(model.weights[i]) - 0.5 * (np.log(variances).sum() + distance)
    return result


def wiener(
    patches: Float64, chosen: NDArray[np.intp], model: GaussianMixture, noise_var: float
) -> Float64:
    """Estimate of every patch by the Wiener filter of its component, (n, d)."""
    result = np.empty_like(patches)
    for i in np.unique(chosen):
        members = chosen == i
        gains = model.eigenvalues[i] / (model.eigenvalues[i] + noise_var)
        basis = model.eigenvectors[i]
        result[members] = (patches[members] @ basis * gains) @ basis.T
    return result


def average(patches: Float64, shape: tuple[int, ...], total: Float64, count: Float64) -> None:
    """Add the patches (rows, cols, d) at all positions to ``total``, and how many to ``count``."""
    rows, cols, _ = patches.shape
    for a in range(shape[0]):
        for b in range(shape[1]):
            total[a : a + rows, b : b + cols] += patches[:, :, a * shape[1] + b]
            count[a : a + rows, b : b + cols] += 1


def strips(image: FloatArray, model: GaussianMixture) -> Iterator[tuple[slice, slice, FloatArray]]:
    """Rows of patch positions, the image rows they cover, and those image rows."""
    p, q = model.patch_shape[:2]
    n_rows = image.shape[0] - p + 1
    step = max(1, (1 << 14) // (image.shape[1] - q + 1))
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        covered = slice(start, stop + p - 1)
        yield slice(start, stop), covered, image[covered]


class ReferenceBackend:
    """Float64 NumPy on one thread (but for what BLAS does by itself)."""

    name: BackendName = "reference"
    dtype = np.float64

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        noise_var: float,
        *,
        n_threads: int,
        poll: Poll | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        total = np.zeros(image.shape)
        count = np.zeros(image.shape)
        for rows, covered, strip in strips(image, model):
            patches, mean = extract(strip, model.patch_shape)
            chosen = scores(patches, model, noise_var).argmax(axis=1)
            estimate = wiener(patches, chosen, model, noise_var) + mean
            estimate = estimate.reshape(rows.stop - rows.start, -1, model.d)
            average(estimate, model.patch_shape, total[covered], count[covered])
            if poll is not None:
                poll(covered.stop / len(image))
        return total / count

    def select(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        p, q = model.patch_shape[:2]
        result = np.empty((image.shape[0] - p + 1, image.shape[1] - q + 1), np.int32)
        for rows, _, strip in strips(image, model):
            patches, _ = extract(strip, model.patch_shape)
            chosen = scores(patches, model, noise_var).argmax(axis=1)
            result[rows] = chosen.reshape(rows.stop - rows.start, -1)
        return result


backend = ReferenceBackend()
