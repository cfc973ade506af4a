"""Fast, exact EPLL image restoration with Gaussian-mixture patch priors."""

from fastepll._info import show_config
from fastepll._version import __version__, refuse_to_hide_a_core
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

refuse_to_hide_a_core()
