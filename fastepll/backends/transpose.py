"""The transposes of the linear steps of a restoration, in float64 NumPy.

A pass that estimates each patch by its best component is linear where the components stay the same:
``D⁻¹ Σᵢ Pᵢᵀ Ωᵢ (W_k(i) C + M) Pᵢ`` with M the mean of a patch, C = I - M, W_k the filter of its
component, Ωᵢ the weights of its pixels and D their sum over the patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import diffusion
from fastepll.backends.passes import Pass
from fastepll.backends.reference import extract, grid, pixel_window, strips, wiener
from fastepll.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture
    from fastepll.models.diffusion import DiffusionStep

Float64 = NDArray[np.float64]


def transposed_pass(
    slope: FloatArray, chosen: IntArray, model: GaussianMixture, step: Pass
) -> Float64:
    """The transpose of a pass, given the component of each patch (`Backend.select`), of an image.

    ``step.estimator`` must be "map".
    """
    p, q = model.patch_shape[:2]
    window = np.outer(pixel_window(p, step.window_decay), pixel_window(q, step.window_decay))
    rows, cols = grid(slope, model, step)
    filters = {k: wiener(np.eye(model.d), model, k, step) for k in np.unique(chosen).tolist()}
    confidence = np.ones(model.k)
    if step.weighting == "confidence":
        for k, (_, freedom) in filters.items():
            confidence[k] = (1 + freedom) ** -0.5
    weights = confidence[chosen]
    total = np.zeros(slope.shape[-2:])
    for a, b in np.ndindex(p, q):
        total[rows[:, None] + a, cols + b] += window[a, b] * weights
    share, result = slope / total, np.zeros((model.d // (p * q), *total.shape))
    for strip in strips(rows, len(cols)):
        free, mean = extract(share, model.patch_shape, (rows[strip], cols))
        patches = ((free + mean).reshape(-1, p, q, len(result)) * window[..., None]).reshape(
            free.shape
        )
        patches *= weights[strip].reshape(-1, 1)
        filtered, components = np.empty_like(patches), chosen[strip].ravel()
        for k in np.unique(components).tolist():
            members = np.flatnonzero(components == k)
            filtered[members] = patches[members] @ filters[k][0]
        filtered += (patches - filtered).mean(axis=1, keepdims=True)
        pixels = filtered.reshape(-1, len(cols), p, q, len(result))
        for a, b in np.ndindex(p, q):
            here = rows[strip][:, None] + a, cols + b
            result[(slice(None), *here)] += np.moveaxis(pixels[:, :, a, b], -1, 0)
    return result.reshape(slope.shape)


def transposed_step(
    image: FloatArray, noisy: FloatArray, step: DiffusionStep, slope: FloatArray
) -> tuple[Float64, Float64]:
    """The transpose of what `fastepll.backends.diffusion.diffuse` is near two images.

    Gradients with respect to the image and the noisy one (or the guide), given that with respect to
    the result.
    """
    outside: Float64 = slope.astype(np.float64)
    share, d = outside / diffusion.counts(slope.shape, step.patch_shape), step.synthesis.shape[0]
    of_image, of_noisy = (1 - step.reaction) * outside, step.reaction * outside
    pair = image.astype(np.float64), noisy.astype(np.float64)
    outer = diffusion.strips(np.zeros_like(share), share, step)
    for (top, features), (_, shares) in zip(diffusion.strips(*pair, step), outer, strict=True):
        _, rises = diffusion.influences(features @ step.analysis.T, step.values, step.reach)
        inner = (shares[:, d:] @ step.synthesis * rises) @ step.analysis
        own = inner[:, :d] if step.guided else inner[:, :d] - inner[:, d:]
        diffusion.add_patches(of_image, top, own, step.patch_shape)
        diffusion.add_patches(of_noisy, top, inner[:, d:], step.patch_shape)
    return of_image, of_noisy


def transposed_halve(slope: FloatArray, shape: tuple[int, ...]) -> Float64:
    """The transpose of `fastepll.backends.scales.halve`, of an image of that shape."""
    result = np.zeros(shape)
    height, width = slope.shape
    result[: 2 * height, : 2 * width] = np.repeat(np.repeat(slope, 2, axis=0), 2, axis=1) / 4
    return result


def transposed_enlarge(slope: FloatArray, shape: tuple[int, ...]) -> Float64:
    """The transpose of the enlargement in `fastepll.backends.scales.add_coarse`, of that shape."""
    height, width = shape
    part = slope[: 2 * height, : 2 * width].astype(np.float64)
    return transposed_widen(transposed_widen(part).T).T


def transposed_widen(slope: Float64) -> Float64:
    """The transpose of `fastepll.backends.scales.widen`, along the columns."""
    even, odd = slope[:, 0::2], slope[:, 1::2]
    result = 0.75 * (even + odd)
    result[:, :-1] += 0.25 * even[:, 1:]
    result[:, 1:] += 0.25 * odd[:, :-1]
    result[:, 0] += 0.25 * even[:, 0]
    result[:, -1] += 0.25 * odd[:, -1]
    return result
