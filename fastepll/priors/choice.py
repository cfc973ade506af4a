"""Which prior a ``model`` argument means: a name, a file, a mixture, or any other prior."""

from __future__ import annotations

import os
from typing import TypeAlias

from fastepll.models import GaussianMixture, load_model
from fastepll.models.adapted import PatchModel, adapt
from fastepll.models.protocol import PatchDenoiser, PatchDensity
from fastepll.priors import load
from fastepll.priors.storage import FORM

Model: TypeAlias = "str | os.PathLike[str] | GaussianMixture | PatchDenoiser | PatchDensity"


def check_model(model: Model) -> PatchModel:
    """Return the mixture, or another prior adapted; patches have two sides, or channels too."""
    checked: PatchModel
    if isinstance(model, GaussianMixture):
        checked = model
    elif isinstance(model, (str, os.PathLike)):
        checked = _from_file(model) or load_model(model)
    else:
        checked = adapt(model)
    shape = checked.patch_shape
    if len(shape) not in (2, 3) or min(shape[:2]) < 2:
        raise ValueError(
            "model must have patches (p, q) or (p, q, channels) with p, q >= 2, "
            f"got patch_shape {shape}"
        )
    return checked


def _from_file(path: str | os.PathLike[str]) -> PatchModel | None:
    """The prior in a file that says it is one of `fastepll.priors`, None for all others."""
    if not os.fspath(path).lower().endswith(".npz") or not os.path.isfile(path):
        return None
    if not FORM.is_of(path):
        return None
    return adapt(load(path))
