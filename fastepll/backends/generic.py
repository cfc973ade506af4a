"""One pass of any patch prior: patches and averages in NumPy, estimates by the prior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastepll.backends.passes import Pass
from fastepll.backends.reference import average, extract, grid, strips
from fastepll.typing import BackendName, Estimator, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models.adapted import Adapted, PatchModel

Float64 = NDArray[np.float64]


class GenericBackend:
    """For priors that are no Gaussian mixture; images have the type that the other backend takes.

    Of a pass the grid, the noise variance, the estimator and the window count; patches count
    alike. In place of a top mean the prior gives its posterior mean.
    """

    def __init__(self, other: Backend) -> None:
        self.name: BackendName = other.name
        self.dtype: type[np.floating[Any]] = other.dtype
        self.halve, self.add_coarse = other.halve, other.add_coarse
        self.diffuse = other.diffuse

    def prior_pass(
        self,
        image: FloatArray,
        model: PatchModel,
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
        sigma, prior = math.sqrt(step.noise_var), cast("Adapted", model)
        estimator: Estimator = "map" if step.estimator == "map" else "mean"

        def estimates(patches: Float64, mean: Float64) -> tuple[Float64, Float64]:
            return prior.denoise(patches, sigma, estimator) + mean, np.ones(len(patches))

        return average(image, model, step, estimates, poll=poll, blend=blend, noisy=noisy, out=out)

    def select(
        self, image: FloatArray, model: PatchModel, step: Pass, *, n_threads: int
    ) -> IntArray:
        """There are no components."""
        raise TypeError("model must be a GaussianMixture to select components")

    def log_probs(
        self, image: FloatArray, model: PatchModel, noise_var: float, *, n_threads: int
    ) -> Float64:
        """See `fastepll.backends.Backend.log_probs`; without noise."""
        if noise_var > 0:
            raise ValueError("sigma must be 0 for a model that is no GaussianMixture")
        rows, cols = grid(image, model, Pass(noise_var=1.0))
        result = np.empty((len(rows), len(cols)))
        for strip in strips(rows, len(cols)):
            patches, _ = extract(image, model.patch_shape, (rows[strip], cols))
            result[strip] = cast("Adapted", model).log_prob(patches).reshape(-1, len(cols))
        return result
