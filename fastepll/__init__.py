"""Fast, exact EPLL image restoration with Gaussian-mixture patch priors."""

from typing import TYPE_CHECKING

from fastepll._info import show_config
from fastepll.anscombe import denoise_poisson
from fastepll.denoiser import Denoiser
from fastepll.denoising import denoise
from fastepll.energy import energy, expected_patch_log_likelihood
from fastepll.inverse import restore
from fastepll.models import GaussianMixture, list_models, load_model
from fastepll.noise import estimate_sigma
from fastepll.settings import Settings
from fastepll.tasks import deblur, inpaint, super_resolve

__all__ = [
    "Denoiser",
    "GaussianMixture",
    "Settings",
    "__version__",
    "deblur",
    "denoise",
    "denoise_poisson",
    "energy",
    "estimate_sigma",
    "expected_patch_log_likelihood",
    "inpaint",
    "list_models",
    "load_model",
    "restore",
    "show_config",
    "super_resolve",
]

if TYPE_CHECKING:
    from fastepll._version import __version__
else:

    def __getattr__(name):
        """Look the version up when it is asked for: that takes as long as all the rest here."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fastepll._version import __version__

        return __version__
