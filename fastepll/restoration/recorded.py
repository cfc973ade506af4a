"""A denoiser that remembers what it did, for the gradient of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastepll._threads import resolve_threads
from fastepll.images.channels import planes_for
from fastepll.models import GaussianMixture
from fastepll.restoration.denoiser import Denoiser
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.tape import Tape
from fastepll.typing import FloatArray

if TYPE_CHECKING:
    from fastepll._validation.sigma import Sigma
    from fastepll.backends import Backend
    from fastepll.solver.settings import Settings


class RecordedDenoiser(Denoiser):
    """`fastepll.Denoiser` for one image (channels, height, width), and the way back from it."""

    def __init__(self, sigma: float | None, **options: Any) -> None:
        super().__init__(sigma, channel_axis=0, **options)
        if not isinstance(self._model, GaussianMixture):
            raise TypeError(
                "model must be a GaussianMixture for the gradient of denoise (that of its density "
                "is fastepll.torch.expected_patch_log_likelihood), got "
                f"{type(self._model.prior).__name__}"
            )
        if not isinstance(self._sigma, float):
            raise ValueError(
                "sigma must be a number for the gradient of denoise, got "
                + ("None" if sigma is None else "an array")
            )
        self._kept = deque(maxlen=0)  # there is no other image to come
        self._tape = Tape(self._backend)

    def _plane(
        self, noisy: FloatArray, sigma: Sigma, settings: Settings, **rest: Any
    ) -> FloatArray:
        """As `Denoiser` does it."""
        self._tape.begin(noisy)
        image = denoise_plane(
            noisy,
            self._model,
            cast("float", sigma),
            settings,
            backend=cast("Backend", self._tape),
            n_threads=resolve_threads(self._threads),
            **rest,
        )
        self._tape.end(image)
        return image

    def pull_back(self, slope: FloatArray) -> FloatArray:
        """Gradient with respect to the noisy image, given that with respect to the restored one."""
        if self._tape.blank:  # so little noise that nothing was done
            return slope
        mix = planes_for(len(slope), self._model)
        inner = np.tensordot(mix.synthesis.T, slope, 1)  # of the planes; the data range cancels
        return np.tensordot(mix.analysis.T, self._tape.pull_back(inner), 1)
