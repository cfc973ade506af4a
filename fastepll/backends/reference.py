"""The definition of correct: one prior pass in float64 NumPy, written to be read.

A pass takes an image x and a noise variance s² to an average of estimates of its patches. With the
defaults of `fastepll.backends.passes.Pass` it is the step of Zoran & Weiss (ICCV 2011) with
s² = 1/beta::

    extract   z = P_i x - mean(P_i x)                         every overlapping patch
    costs     c_k = -2 log w_k + log|S_k + s²I| + zᵀ(S_k + s²I)⁻¹z
    choose    k* = argmin_k c_k
    wiener    ẑ = S_k*(S_k* + s²I)⁻¹ z + mean(P_i x)
    average   per pixel, over the patches that cover it

The other values of its fields save time or gain quality, each in one of these steps: a coarser
grid of patches, costs under simpler covariances, the mean over some components, a filter of low
rank, patches that count by how sure they are. It walks over strips of patch rows so that its memory
stays bounded; that is its only cunning.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastepll.backends._basis import principal_axes
from fastepll.backends.diffusion import diffuse
from fastepll.backends.passes import Pass
from fastepll.backends.scales import add_coarse, halve
from fastepll.typing import BackendName, FloatArray, IntArray, PassEstimator, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastepll.models import GaussianMixture
    from fastepll.models.adapted import PatchModel

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

MIDDLE_COEFS = 16  # axes of the cascade's middle stage
TOP_COMPONENTS = 4  # that a top mean is taken over
TOP_MARGIN = 14.0  # their cost beyond the lowest, at most


def positions(n: int, p: int, stride: int, shift: int) -> Indices:
    """Where patches of side p begin on an axis of n pixels: the grid, and both ends."""
    return np.unique(np.array([0, *range(shift, n - p + 1, stride), n - p]))


def grid(image: FloatArray, model: PatchModel, step: Pass) -> tuple[Indices, Indices]:
    """Rows and columns of the patches of a pass."""
    rows, cols = (
        positions(n, p, step.stride, shift)
        for n, p, shift in zip(image.shape[-2:], model.patch_shape, step.shift, strict=False)
    )
    return rows, cols


def extract(
    image: FloatArray, shape: tuple[int, ...], at: tuple[Indices, Indices] | None = None
) -> tuple[Float64, Float64]:
    """Mean-free patches (n, d) and their means (n, 1) at rows × columns, or at all positions."""
    planes = image.reshape(-1, *image.shape[-2:])
    windows = sliding_window_view(planes, shape[:2], axis=(1, 2))
    windows = windows if at is None else windows[:, at[0][:, None], at[1]]
    pixels = np.moveaxis(windows, 0, -1)  # (rows, columns, *shape)
    patches = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1).astype(np.float64)
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
        squared_norm = np.einsum("nd,nd->n", whitened, whitened)
        result[:, i] = np.log(model.weights[i]) - 0.5 * (np.log(variances).sum() + squared_norm)
    return result


def structured_costs(
    coefficients: Float64,
    model: GaussianMixture,
    axes: Float64,
    noise_var: float,
    edges: list[int],
) -> Float64:
    """Minus twice the scores (n, k) of coefficients (n, q) on the axes (q, d), made cheap.

    Between the axes below ``edges[0]`` a covariance stays as it is. The others count as independent
    of all, with the mean of their variances over each band from one edge to the next.
    """
    lead = edges[0]
    squared_norms = {
        (a, b): np.einsum("ni,ni->n", coefficients[:, a:b], coefficients[:, a:b])
        for a, b in pairwise(edges)
    }
    result = np.empty((len(coefficients), model.k))
    for i in range(model.k):
        rotated = axes @ model.eigenvectors[i]
        block = (rotated[:lead] * model.eigenvalues[i]) @ rotated[:lead].T
        values, vectors = np.linalg.eigh(block)
        variances = np.maximum(values, 0) + noise_var
        whitened = coefficients[:, :lead] @ (vectors / np.sqrt(variances))
        cost = np.einsum("ni,ni->n", whitened, whitened) + np.log(variances).sum()
        spread = rotated**2 @ model.eigenvalues[i]
        for (a, b), squared_norm in squared_norms.items():
            variance = spread[a:b].mean() + noise_var
            cost += squared_norm / variance + (b - a) * np.log(variance)
        result[:, i] = cost - 2 * np.log(model.weights[i])
    return result


def bands(screen: int, refine: int, q: int) -> tuple[list[int], list[int], list[int]]:
    """Edges of `structured_costs` of the screen, the middle stage and the refinement.

    There are edges of the middle stage only if `MIDDLE_COEFS` is between the other two.
    """
    screen, refine = min(screen, q), min(refine, q)
    powers = [2**i for i in range(refine.bit_length()) if screen < 2**i < refine]
    middle = sorted({MIDDLE_COEFS, refine, q}) if screen < MIDDLE_COEFS < refine else []
    return sorted({screen, *powers, refine, q}), middle, sorted({refine, q})


def costs(patches: Float64, model: GaussianMixture, step: Pass) -> Float64:
    """Cost of every patch under every component, (n, k), infinite for those not considered."""
    if step.selection == "exact":
        return -2 * scores(patches, model, step.noise_var)
    axes = principal_axes(model)[1:]  # but for the constant one
    coefficients = patches @ axes.T
    screen, middle, refine = bands(step.n_screen, step.n_refine, len(axes))
    share = np.einsum("nd,nd->n", patches, patches) / (2 * len(axes) * step.noise_var)
    share = np.minimum(share, 1) ** 2
    considered = np.ones((len(patches), model.k), bool)
    for edges, margin in ((screen, step.margin), (middle, step.middle_margin)):
        if edges:
            cost = structured_costs(coefficients, model, axes, step.noise_var, edges)
            cost[~considered] = np.inf
            considered = cost <= (cost.min(axis=1) + 2 * margin * share)[:, None]
    cost = structured_costs(coefficients, model, axes, step.noise_var, refine)
    return np.where(considered, cost, np.inf)


def choose(costs: Float64, estimator: PassEstimator) -> tuple[Indices, Float64]:
    """Components that each patch is estimated with, best first, and their probabilities, (n, m).

    "map" takes the best alone, of equals the first. "top_mean" takes the best `TOP_COMPONENTS`, of
    which those more than `TOP_MARGIN` worse than the best have probability 0.
    """
    if estimator == "map":
        best = costs.argmin(axis=1)[:, None]
        return best, np.ones(best.shape)
    order = np.argsort(costs, axis=1, kind="stable")[:, :TOP_COMPONENTS]
    excess = np.take_along_axis(costs, order, axis=1)
    excess -= excess[:, :1]
    likelihood = np.where(excess <= TOP_MARGIN, np.exp(-excess / 2), 0.0)
    return order, likelihood / likelihood.sum(axis=1, keepdims=True)


def wiener(patches: Float64, model: GaussianMixture, i: int, step: Pass) -> tuple[Float64, float]:
    """Estimates (n, d) by the filter of component i, and its degrees of freedom.

    Beyond the rank r of the filter all directions share one gain, the mean of theirs.
    """
    q = model.d - 1
    values, vectors = model.eigenvalues[i], model.eigenvectors[i]
    gains = values / (values + step.noise_var)
    r = int(np.count_nonzero(values > step.rank_tolerance * step.noise_var))
    tail = gains[r:].sum() / (q - r) if r < q else 0.0
    lead = vectors[:, :r]
    return tail * patches + (patches @ lead * (gains[:r] - tail)) @ lead.T, float(gains.sum())


def estimate(
    patches: Float64,
    mean: Float64,
    chosen: tuple[Indices, Float64],
    model: GaussianMixture,
    step: Pass,
) -> tuple[Float64, Float64]:
    """Sum over the components of a patch of weight times estimate, (n, d), and of weight, (n,)."""
    total, weight = np.zeros_like(patches), np.zeros(len(patches))
    components, probabilities = chosen
    for i in np.unique(components):
        members, place = np.nonzero(components == i)
        filtered, freedom = wiener(patches[members], model, i, step)
        confidence = (1 + freedom) ** -0.5 if step.weighting == "confidence" else 1.0
        share = confidence * probabilities[members, place]
        total[members] += share[:, None] * (filtered + mean[members])
        weight[members] += share
    return total, weight


def pixel_window(n: int, decay: float) -> Float64:
    """Weight of the n pixels along a side of a patch."""
    distance = (2 * np.arange(n) + 1 - n) / n  # from the middle, in half-sides
    result: Float64 = np.exp(-decay * distance**2)
    return result


def strips(rows: Indices, n_cols: int) -> Iterator[slice]:
    """Parts of the rows of patches, of about 16000 patches each."""
    size = max(1, (1 << 14) // n_cols)
    return (slice(start, start + size) for start in range(0, len(rows), size))


def average(
    image: FloatArray,
    model: PatchModel,
    step: Pass,
    estimates: Callable[[Float64, Float64], tuple[Float64, Float64]],
    *,
    poll: Poll | None,
    blend: float,
    noisy: FloatArray | None,
    out: FloatArray | None,
) -> FloatArray:
    """Per pixel, over the patches that cover it: the pass, given how patches are estimated.

    ``estimates`` takes mean-free patches (n, d) and their means (n, 1) to sums and weights like
    those of `estimate`.
    """
    p, q = model.patch_shape[:2]
    weight = np.zeros(image.shape[-2:])
    total = np.zeros((model.d // (p * q), *weight.shape))
    rows, cols = grid(image, model, step)
    for strip in strips(rows, len(cols)):
        at = rows[strip], cols
        sums, weights = estimates(*extract(image, model.patch_shape, at))
        sums = sums.reshape(len(at[0]), len(cols), p, q, -1)
        weights = weights.reshape(len(at[0]), -1)
        for a, b in np.ndindex(p, q):
            share = pixel_window(p, step.window_decay)[a] * pixel_window(q, step.window_decay)[b]
            here = at[0][:, None] + a, cols + b
            total[(slice(None), *here)] += share * np.moveaxis(sums[:, :, a, b], -1, 0)
            weight[here] += share * weights
        if poll is not None:
            poll(float(at[0][-1] + p) / len(weight))
    result: FloatArray = (total / weight).reshape(image.shape)
    if noisy is not None:
        result = (1 - blend) * noisy + blend * result
    if out is None:
        return result
    out[...] = result
    return out


class ReferenceBackend:
    """Float64 NumPy on one thread (but for what BLAS does by itself)."""

    name: BackendName = "reference"
    dtype = np.float64
    halve = staticmethod(halve)
    add_coarse = staticmethod(add_coarse)
    diffuse = staticmethod(diffuse)

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        step: Pass,
        *,
        n_threads: int,
        poll: Poll | None = None,
        blend: float = 1.0,
        noisy: FloatArray | None = None,
        out: FloatArray | None = None,
        hints: IntArray | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""

        def estimates(patches: Float64, mean: Float64) -> tuple[Float64, Float64]:
            chosen = choose(costs(patches, model, step), step.estimator)
            return estimate(patches, mean, chosen, model, step)

        return average(image, model, step, estimates, poll=poll, blend=blend, noisy=noisy, out=out)

    def select(
        self, image: FloatArray, model: GaussianMixture, step: Pass, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        rows, cols = grid(image, model, step)
        result = np.empty((len(rows), len(cols)), np.int32)
        for strip in strips(rows, len(cols)):
            patches, _ = extract(image, model.patch_shape, (rows[strip], cols))
            best = costs(patches, model, step).argmin(axis=1)
            result[strip] = best.reshape(-1, len(cols))
        return result

    def log_probs(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, *, n_threads: int
    ) -> Float64:
        """See `fastepll.backends.Backend.log_probs`."""
        axes = principal_axes(model)[1:]
        rows, cols = grid(image, model, Pass(noise_var=noise_var))
        result = np.empty((len(rows), len(cols)))
        for strip in strips(rows, len(cols)):
            patches, _ = extract(image, model.patch_shape, (rows[strip], cols))
            cost = structured_costs(patches @ axes.T, model, axes, noise_var, [len(axes)])
            lowest = cost.min(axis=1)
            total = np.log(np.exp(-0.5 * (cost - lowest[:, None])).sum(axis=1)) - 0.5 * lowest
            result[strip] = (total - 0.5 * len(axes) * np.log(2 * np.pi)).reshape(-1, len(cols))
        return result


backend = ReferenceBackend()
