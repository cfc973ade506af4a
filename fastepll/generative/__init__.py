"""Generative models behind one protocol: log probability, samples, completion, representation.

``fastepll.generative.KINDS`` are their names in files and studies. Those of patches are priors of
`fastepll.priors`, which have the same methods and go into `fastepll.restore` besides. The networks
need torch when they are used, not when they are imported.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, cast

from fastepll.generative.base import FORM, GenerativeModel, IntractableError
from fastepll.generative.bounds import LowerBound

if TYPE_CHECKING:
    from fastepll.generative.latent.probabilistic_pca import ProbabilisticPCA
    from fastepll.generative.latent.vae import VAE

__all__ = [
    "KINDS",
    "VAE",
    "GenerativeModel",
    "IntractableError",
    "LowerBound",
    "ProbabilisticPCA",
    "load",
]

KINDS: dict[str, str] = {
    "probabilistic-pca": "latent.probabilistic_pca:ProbabilisticPCA",
    "vae": "latent.vae:VAE",
}
"""Module and class of each kind, below this package: ``{"nade": "autoregressive.nade:NADE"}``."""


def __getattr__(name: str) -> Any:
    """Import a model when it is asked for."""
    for where in KINDS.values():
        module, _, candidate = where.partition(":")
        if candidate == name:
            return getattr(importlib.import_module(f"fastepll.generative.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(path: str | os.PathLike[str]) -> GenerativeModel:
    """Read a model that was written by its ``save``.

    Raises
    ------
    ValueError
        Not such a file, damaged, or with arrays that make no model; names the file.
    """
    from fastepll.models._npz import naming

    kind, given = FORM.read(path)
    with naming(path):
        if kind not in KINDS:
            raise ValueError(f"its kind must be one of {tuple(KINDS)}, got {kind!r}")
        return cast("GenerativeModel", __getattr__(KINDS[kind].partition(":")[2])(**given))
