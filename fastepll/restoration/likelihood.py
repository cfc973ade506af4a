"""The log-likelihood of all patches of one image, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._threads import resolve_threads
from fastepll._validation.arguments import check_backend, check_number, check_threads
from fastepll._validation.images import check_fit, check_image
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll.backends import Backend, backend_for
from fastepll.backends.gradient import log_prob_gradient
from fastepll.images.channels import channels_last, planes_for
from fastepll.images.conversion import Conversion
from fastepll.models import GaussianMixture
from fastepll.models.adapted import PatchModel
from fastepll.priors.choice import check_model
from fastepll.restoration.options import ProbabilityOptions
from fastepll.solver.half_quadratic import joined
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What `fastepll.expected_patch_log_likelihood` is asked, checked.

    Attributes
    ----------
    source : array (height, width, channels)
        The image.
    level : float
        Standard deviation of the noise that the density has, in units of the data range.
    """

    source: NDArray[Any]
    model: PatchModel
    level: float
    conversion: Conversion
    backend: Backend
    n_threads: int

    @classmethod
    def of(
        cls, image: ArrayLike, sigma: float, options: ProbabilityOptions, name: str = "image"
    ) -> Likelihood:
        """Check the arguments of `fastepll.expected_patch_log_likelihood`."""
        axis = options["channel_axis"]
        source = channels_last(check_image(image, axis, name), axis)
        model = check_model(options["model"])
        check_fit(source.shape, model)
        noise = check_number("sigma", sigma, 0, 1e30)
        data_range = check_data_range(options["data_range"])
        data_range = check_intensities(source, data_range, name, sigma=noise)
        level = noise / data_range
        singular = isinstance(model, GaussianMixture) and not model.eigenvalues[:, :-1].all()
        if level == 0 and singular:
            raise ValueError(
                "model must have no flat direction but the constant patch if sigma is 0"
            )
        backend = backend_for(model, check_backend(options["backend"]))
        conversion = Conversion(planes_for(source.shape[-1], model), data_range, backend.dtype)
        threads = resolve_threads(check_threads(options["n_threads"]))
        return cls(source, model, level, conversion, backend, threads)

    def value(self) -> float:
        """Sum over all patches, in nats."""
        return sum(
            float(
                self.backend.log_probs(planes, self.model, variance, n_threads=self.n_threads).sum()
            )
            for _, planes, variance in self._groups()
        )

    def gradient(self) -> FloatArray:
        """Its gradient with respect to the intensities, an array like ``source``."""
        result = np.zeros(self.source.shape, self.backend.dtype)
        for group, planes, variance in self._groups():
            slopes = log_prob_gradient(
                planes, self.model, variance, backend=self.backend, n_threads=self.n_threads
            )
            for c, slope in zip(group, split(slopes), strict=True):
                for channel, weight in enumerate(self.conversion.mix.analysis[c]):
                    if weight:
                        result[..., channel] += slope * (weight / self.conversion.data_range)
        return result

    def _groups(self) -> Iterator[tuple[tuple[int, ...], FloatArray, float]]:
        """Planes that the model sees together: which, themselves, the variance of their noise."""
        mix = self.conversion.mix
        for group in mix.groups:
            variance = (self.level * float(mix.gains[group[0]])) ** 2
            planes = joined([self.conversion.split(self.source, (c,)) for c in group], self.model)
            yield group, planes, variance
