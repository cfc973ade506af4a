"""The laboratory of patch priors: one protocol, one file per prior.

``fastepll.priors.KINDS`` are their names in files, studies and on the command line. Any of them,
and any object with what `PatchPrior` asks for, is a ``model=`` of `fastepll.restore` and
`fastepll.denoise`.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, cast

from fastepll.models import GaussianMixture
from fastepll.models.protocol import PatchPrior
from fastepll.priors.base import Prior
from fastepll.priors.storage import FORM

if TYPE_CHECKING:
    from fastepll.priors.causal_network import CausalNetwork
    from fastepll.priors.conditional_scale_mixture import ConditionalScaleMixture
    from fastepll.priors.gaussian import Gaussian
    from fastepll.priors.generalised_gaussian_mixture import GeneralisedGaussianMixture
    from fastepll.priors.gsm import GaussianScaleMixture
    from fastepll.priors.gsm_mixture import GSMMixture
    from fastepll.priors.ica import ICA
    from fastepll.priors.independent_pixels import IndependentPixels
    from fastepll.priors.karklin_lewicki import KarklinLewicki
    from fastepll.priors.made_mog import MADEMoG
    from fastepll.priors.maf import MAF
    from fastepll.priors.mini_dead_leaves import MiniDeadLeaves
    from fastepll.priors.pca import PCA
    from fastepll.priors.rnade import RNADE
    from fastepll.priors.sparse_coding import SparseCoding
    from fastepll.priors.student_t_mixture import StudentTMixture
    from fastepll.priors.symmetric_average import SymmetricAverage
    from fastepll.priors.vae import PatchVAE

__all__ = [
    "ICA",
    "KINDS",
    "MAF",
    "PCA",
    "RNADE",
    "CausalNetwork",
    "ConditionalScaleMixture",
    "GSMMixture",
    "Gaussian",
    "GaussianMixture",
    "GaussianScaleMixture",
    "GeneralisedGaussianMixture",
    "IndependentPixels",
    "KarklinLewicki",
    "MADEMoG",
    "MiniDeadLeaves",
    "PatchPrior",
    "PatchVAE",
    "Prior",
    "SparseCoding",
    "StudentTMixture",
    "SymmetricAverage",
    "load",
]

KINDS = {
    "independent-pixels": "IndependentPixels",
    "gaussian": "Gaussian",
    "pca": "PCA",
    "ica": "ICA",
    "sparse-coding": "SparseCoding",
    "gsm": "GaussianScaleMixture",
    "gsm-mixture": "GSMMixture",
    "karklin-lewicki": "KarklinLewicki",
    "student-t-mixture": "StudentTMixture",
    "generalised-gaussian-mixture": "GeneralisedGaussianMixture",
    "mini-dead-leaves": "MiniDeadLeaves",
    "vae": "PatchVAE",
    "rnade": "RNADE",
    "made-mog": "MADEMoG",
    "maf": "MAF",
    "conditional-scale-mixture": "ConditionalScaleMixture",
    "causal-network": "CausalNetwork",
    "symmetric-average": "SymmetricAverage",
}


def __getattr__(name: str) -> Any:
    """Import a prior when it is asked for."""
    for kind, candidate in KINDS.items():
        if candidate == name:
            module = importlib.import_module(f"fastepll.priors.{kind.replace('-', '_')}")
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(path: str | os.PathLike[str]) -> PatchPrior:
    """Read a prior that was written by its ``save``, or a file of a Gaussian mixture.

    Raises
    ------
    ValueError
        Not such a file, damaged, or with arrays that make no prior; names the file.
    """
    from fastepll.models._npz import naming

    if not FORM.is_of(path):
        return GaussianMixture.load(path)
    kind, given = FORM.read(path)
    with naming(path):
        if kind not in KINDS:
            raise ValueError(f"its kind must be one of {tuple(KINDS)}, got {kind!r}")
        return cast("PatchPrior", __getattr__(KINDS[kind])(**given))
