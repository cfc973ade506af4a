"""Fast, exact EPLL image restoration with Gaussian-mixture patch priors."""

from fastepll._info import show_config
from fastepll._version import __version__
from fastepll.models import GaussianMixture, list_models, load_model
from fastepll.noise import estimate_sigma
from fastepll.restore import denoise

__all__ = [
    "GaussianMixture",
    "__version__",
    "denoise",
    "estimate_sigma",
    "list_models",
    "load_model",
    "show_config",
]
