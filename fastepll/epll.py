"""Half-quadratic splitting: the loop of EPLL around the passes of the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastepll.typing import FloatArray, Overlap, Poll

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models import GaussianMixture

BETAS = (1.0, 4.0, 8.0, 16.0, 32.0)
"""Weights of the splitting in units of 1/sigma², the schedule of Zoran & Weiss (2011)."""


def denoise_plane(
    noisy: FloatArray,
    model: GaussianMixture,
    sigma: float,
    *,
    betas: Sequence[float] = BETAS,
    backend: Backend,
    n_threads: int,
    overlap: Overlap = "mean",
    progress: Poll | None = None,
) -> FloatArray:
    """Denoise one plane of pixels in [0, 1]; arguments as in `fastepll.denoise`, but checked.

    Minimises over x and the patches zᵢ, for each beta in turn starting from x = y,
    ``λ/2 ‖x - y‖² + Σᵢ (β/2 ‖Pᵢx - zᵢ‖² - log p(zᵢ))``: one pass of the prior gives the zᵢ and
    their per-pixel average x̃, then x = (y + c βσ² x̃)/(1 + c βσ²).

    ``overlap="mean"`` sets c = 1: every pixel is trusted alike. ``"sum"`` is the energy as
    published, λ = d/σ²: c is the number of patches over the pixel divided by d, which is below 1
    in the outer rows and columns and leaves noise there.
    """
    current = noisy
    for step, beta in enumerate(betas):

        def poll(fraction: float, step: int = step) -> None:
            done = (step + fraction) / len(betas)
            if progress is not None and done < 1:  # 1 is said once, at the end
                progress(done)

        average = backend.prior_pass(
            current, model, sigma * sigma / beta, n_threads=n_threads, poll=poll
        )
        if overlap == "sum":
            trust = beta / model.d * coverage(noisy.shape, model).astype(noisy.dtype)
            average *= trust
            average += noisy
            average /= 1 + trust
        else:
            average *= beta
            average += noisy
            average /= 1 + beta
        current = average
    if progress is not None:
        progress(1.0)
    return current


def coverage(shape: tuple[int, ...], model: GaussianMixture) -> FloatArray:
    """How many patches cover each pixel of an image of that shape."""
    sides = []
    for n, p in zip(shape, model.patch_shape, strict=False):
        i = np.arange(n)
        sides.append(np.minimum(np.minimum(i + 1, n - i), min(p, n - p + 1)))
    return np.multiply.outer(*sides)
