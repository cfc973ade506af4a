"""Fast, exact EPLL image restoration with Gaussian-mixture patch priors."""

from fastepll._deprecated import import_moved_modules
from fastepll._info import show_config
from fastepll._version import __version__, refuse_to_hide_a_core
from fastepll._warnings import warn
from fastepll.models import GaussianMixture, list_models, load_model
from fastepll.neural.api import deep_image_prior
from fastepll.noise.estimate import estimate_sigma
from fastepll.restoration.adapt import adapt
from fastepll.restoration.denoise import denoise
from fastepll.restoration.denoiser import Denoiser
from fastepll.restoration.objective import expected_patch_log_likelihood, objective
from fastepll.restoration.poisson import denoise_poisson
from fastepll.restoration.restore import restore
from fastepll.restoration.tasks import deblur, inpaint, super_resolve
from fastepll.solver.settings import Settings

__all__ = [
    "Denoiser",
    "GaussianMixture",
    "Settings",
    "__version__",
    "adapt",
    "deblur",
    "deep_image_prior",
    "denoise",
    "denoise_poisson",
    "estimate_sigma",
    "expected_patch_log_likelihood",
    "inpaint",
    "list_models",
    "load_model",
    "objective",
    "restore",
    "show_config",
    "super_resolve",
]

refuse_to_hide_a_core()
import_moved_modules()


def __getattr__(name: str) -> object:
    """Names of older versions."""
    if name == "energy":
        warn("fastepll.energy is now fastepll.objective", DeprecationWarning)
        return objective
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
