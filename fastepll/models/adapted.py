"""Any patch prior as restoration takes it: what it must have, and what it gives is checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fastepll._portable import Portable
from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import Array
from fastepll.models import GaussianMixture
from fastepll.models.gradient import map_by_gradient
from fastepll.typing import Estimator


@dataclass(frozen=True, eq=False)
class Adapted(Portable):
    """A prior that is no Gaussian mixture.

    Attributes
    ----------
    prior : object
        What the user gave.
    patch_shape : tuple of int
        Its patches.
    """

    prior: Any
    patch_shape: tuple[int, ...]

    @property
    def d(self) -> int:
        """Values per patch."""
        return math.prod(self.patch_shape)

    def denoise(self, patches: Array, sigma: float, estimator: Estimator) -> Array:
        """Estimate of mean-free patches (n, d), by the prior's own ``denoise`` or by gradient."""
        own = getattr(self.prior, "denoise", None)
        if own is not None:
            return self._checked("denoise", own(patches, sigma, estimator), patches.shape)
        if estimator != "map":
            raise ValueError(
                "quality must have estimator 'map' for a model that has no denoise, got 'mean'"
            )
        return map_by_gradient(patches, sigma, self.log_prob, self.score)

    def log_prob(self, patches: Array) -> Array:
        """Log density of each patch, (n,)."""
        return self._checked("log_prob", self._method("log_prob")(patches), patches.shape[:1])

    def score(self, patches: Array) -> Array:
        """Gradient of the log density along the patches without mean."""
        gradient = self._checked("score", self._method("score")(patches), patches.shape)
        return np.asarray(gradient - gradient.mean(axis=1, keepdims=True))

    def _method(self, name: str) -> Callable[..., Any]:
        """A method of the prior, which it must have."""
        method = getattr(self.prior, name, None)
        if not callable(method):
            raise TypeError(f"model must have {name} for this, {type(self.prior).__name__} has not")
        found: Callable[..., Any] = method
        return found

    def _checked(self, name: str, value: Any, shape: tuple[int, ...]) -> Array:
        """What a method gave, if it is an array of that shape, finite."""
        what = f"{name} of model"
        array = model_arrays.real_array(what, value)
        if array.shape != shape:
            raise ValueError(f"{what} must give shape {shape}, got {array.shape}")
        return array


PatchModel: TypeAlias = "GaussianMixture | Adapted"
"""What `fastepll._validation.arguments.check_model` makes of a model."""


def adapt(model: Any) -> PatchModel:
    """A prior as restoration takes it, its Gaussian mixture if it is one; TypeError for others."""
    mixture = getattr(model, "mixture", None)
    if isinstance(mixture, GaussianMixture):
        return mixture
    can = {name for name in ("denoise", "log_prob", "score") if callable(getattr(model, name, 0))}
    shape = getattr(model, "patch_shape", None)
    if (
        isinstance(model, type)
        or not isinstance(shape, tuple)
        or not ("denoise" in can or {"log_prob", "score"} <= can)
    ):
        raise TypeError(
            "model must be a name, a path, a GaussianMixture, or a prior with patch_shape and "
            f"denoise, or log_prob and score (fastepll.priors), got {type(model).__name__}"
        )
    return Adapted(model, model_arrays.check_patch_shape(shape, math.prod(shape)))
