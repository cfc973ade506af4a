"""The gradient of the log density of all patches of an image with respect to its pixels.

At noise variance v a patch z has the gradient ``(ẑ - z) / v``, ẑ its posterior mean (Tweedie's
formula); that of the sum over all overlapping patches is ``n (x̃ - x) / v`` at a pixel that n of
them cover, x̃ the average of their estimates. A backend's pass gives x̃, in float32, where v is not
so small that the difference has no digits. Where it is, without noise say, v may still be made
larger: a mixture of covariances ``S_k - tI`` with noise of variance v + t has the same density.

B. Efron, Tweedie's formula and selection bias, JASA 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastepll.backends._basis import principal_axes
from fastepll.backends.passes import Pass
from fastepll.backends.reference import average
from fastepll.models import GaussianMixture
from fastepll.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastepll.backends import Backend
    from fastepll.models.adapted import Adapted, PatchModel

Float64 = NDArray[np.float64]

ENOUGH = 1e-5  # noise variance from which on float32 has digits to spare
LEAST = 4e-7  # below which it has too few: the rounding of x̃ is 1 % of the gradient, at worst
CONSTANT = 1e-4  # variance along the constant patch, in units of v, that is none
NEGLIGIBLE = 1e-18  # probability of a component, below which float64 does not see it

_narrowed: WeakKeyDictionary[GaussianMixture, tuple[GaussianMixture, float]] = WeakKeyDictionary()


def log_prob_gradient(
    image: FloatArray,
    model: PatchModel,
    noise_var: float,
    *,
    backend: Backend,
    n_threads: int,
) -> FloatArray:
    """Gradient of the sum of `Backend.log_probs` with respect to the pixels, an array like them.

    In float64 by the posterior mean over all components where the backend computes in float64,
    where the noise variance is too small for another, and for mixtures with variance along the
    constant patch. Otherwise over the best few.
    """
    if not isinstance(model, GaussianMixture):
        return generic_gradient(image, model, noise_var)
    if backend.dtype is not np.float64:
        mixture, v = (model, noise_var) if noise_var >= ENOUGH else narrowed(model, noise_var)
        if v >= LEAST and constant_variance(model) <= CONSTANT * v:
            step = Pass(noise_var=v, estimator="top_mean")
            mean = backend.prior_pass(image, mixture, step, n_threads=n_threads)
            mean -= image
            mean *= (counts(image, model) / v).astype(mean.dtype)
            return mean
    return mixture_gradient(image, model, noise_var)


def mixture_gradient(image: FloatArray, model: GaussianMixture, noise_var: float) -> Float64:
    """``-Σᵢ Pᵢᵀ Σ_k γ_k(z_i) (S_k + vI)⁻¹ zᵢ``, γ_k the probability of a component, in float64.

    Of the covariances, like in `Backend.log_probs`, what is orthogonal to the constant patch.
    """
    axes = principal_axes(model)[1:]
    factors = []  # of a precision, (q, q), and the cost of a patch that is 0
    for weight, values, vectors in zip(
        model.weights, model.eigenvalues, model.eigenvectors, strict=True
    ):
        rotated = axes @ vectors
        variances, basis = np.linalg.eigh((rotated * values) @ rotated.T)
        variances = np.maximum(variances, 0) + noise_var
        factors.append((basis / np.sqrt(variances), np.log(variances).sum() - 2 * np.log(weight)))

    def scores(patches: Float64, _: Float64) -> tuple[Float64, Float64]:
        coefficients = patches @ axes.T
        costs = np.empty((len(patches), len(factors)))
        for k, (factor, offset) in enumerate(factors):
            whitened = coefficients @ factor
            costs[:, k] = np.einsum("nq,nq->n", whitened, whitened) + offset
        shares = np.exp(-0.5 * (costs - costs.min(axis=1, keepdims=True)))
        shares /= shares.sum(axis=1, keepdims=True)
        result = np.zeros_like(coefficients)
        for k, (factor, _offset) in enumerate(factors):
            rows = np.flatnonzero(shares[:, k] > NEGLIGIBLE)
            result[rows] -= shares[rows, k, None] * (coefficients[rows] @ factor @ factor.T)
        return result @ axes, np.ones(len(patches))

    return summed(image, model, scores)


def generic_gradient(image: FloatArray, prior: Adapted, noise_var: float) -> Float64:
    """By the score of a prior that is no Gaussian mixture, without noise."""
    if noise_var > 0:
        raise ValueError("sigma must be 0 for a model that is no GaussianMixture")
    return summed(image, prior, lambda z, _: (prior.score(z), np.ones(len(z))))


def summed(
    image: FloatArray,
    model: PatchModel,
    estimates: Callable[[Float64, Float64], tuple[Float64, Float64]],
) -> Float64:
    """Per pixel, the sum over the patches that cover it of what `average` averages."""
    step = Pass(noise_var=1.0)
    mean = average(image, model, step, estimates, poll=None, blend=1.0, noisy=None, out=None)
    return np.asarray(mean * counts(image, model))


def counts(image: FloatArray, model: PatchModel) -> IntArray:
    """How many overlapping patches cover each pixel, (height, width)."""
    each = [
        np.convolve(np.ones(n - p + 1, np.int32), np.ones(p, np.int32))
        for n, p in zip(image.shape[-2:], model.patch_shape, strict=False)
    ]
    return np.asarray(np.multiply.outer(*each))


def narrowed(model: GaussianMixture, noise_var: float) -> tuple[GaussianMixture, float]:
    """The mixture without the variance that all its directions have, and the noise with it.

    All but the one of least variance, which is the constant patch.
    """
    if model not in _narrowed:
        least = float(model.eigenvalues[:, :-1].min())
        values = np.maximum(model.eigenvalues - least, 0)
        narrow = GaussianMixture(model.weights, model.eigenvectors, values, model.patch_shape)
        _narrowed[model] = narrow, least
    narrow, least = _narrowed[model]
    return narrow, noise_var + least


def constant_variance(model: GaussianMixture) -> float:
    """Largest variance that a component has along the constant patch."""
    along = model.eigenvectors.sum(axis=1) / np.sqrt(model.d)  # (k, d)
    return float(np.max(np.sum(model.eigenvalues * along**2, axis=1)))
