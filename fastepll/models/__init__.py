"""Patch priors: the Gaussian mixture, its files and the named pretrained weights."""

from fastepll.models.diffusion import ReactionDiffusion
from fastepll.models.foreign import (
    from_deepinv,
    from_sklearn,
    load_covariances,
    load_zoran_weiss,
)
from fastepll.models.mixture import GaussianMixture
from fastepll.models.registry import list_models, load_model, model_license

__all__ = [
    "GaussianMixture",
    "ReactionDiffusion",
    "from_deepinv",
    "from_sklearn",
    "list_models",
    "load_covariances",
    "load_model",
    "load_zoran_weiss",
    "model_license",
]
