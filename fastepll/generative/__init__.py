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
from fastepll.generative.factorised.graph import CyclicGraphError
from fastepll.generative.resampling import resample_given

if TYPE_CHECKING:
    from fastepll.generative.autoregressive.attention import CausalAttention
    from fastepll.generative.autoregressive.fvsbn import FVSBN
    from fastepll.generative.autoregressive.made import MADE
    from fastepll.generative.autoregressive.nade import NADE
    from fastepll.generative.autoregressive.pixelcnn import PixelCNN
    from fastepll.generative.autoregressive.recurrent import RecurrentModel
    from fastepll.generative.factorised.bayesian_network import BayesianNetwork
    from fastepll.generative.factorised.chow_liu_tree import ChowLiuTree
    from fastepll.generative.factorised.independent import Independent
    from fastepll.generative.factorised.joint_table import JointTable
    from fastepll.generative.factorised.markov_chain import MarkovChain
    from fastepll.generative.factorised.naive_bayes import NaiveBayes
    from fastepll.generative.latent.probabilistic_pca import ProbabilisticPCA
    from fastepll.generative.latent.vae import VAE

__all__ = [
    "FVSBN",
    "KINDS",
    "MADE",
    "NADE",
    "VAE",
    "BayesianNetwork",
    "CausalAttention",
    "ChowLiuTree",
    "CyclicGraphError",
    "GenerativeModel",
    "Independent",
    "IntractableError",
    "JointTable",
    "LowerBound",
    "MarkovChain",
    "NaiveBayes",
    "PixelCNN",
    "ProbabilisticPCA",
    "RecurrentModel",
    "load",
    "resample_given",
]

KINDS: dict[str, str] = {
    "attention": "autoregressive.attention:CausalAttention",
    "bayesian-network": "factorised.bayesian_network:BayesianNetwork",
    "chow-liu-tree": "factorised.chow_liu_tree:ChowLiuTree",
    "fvsbn": "autoregressive.fvsbn:FVSBN",
    "independent": "factorised.independent:Independent",
    "joint-table": "factorised.joint_table:JointTable",
    "made": "autoregressive.made:MADE",
    "markov-chain": "factorised.markov_chain:MarkovChain",
    "nade": "autoregressive.nade:NADE",
    "naive-bayes": "factorised.naive_bayes:NaiveBayes",
    "pixelcnn": "autoregressive.pixelcnn:PixelCNN",
    "probabilistic-pca": "latent.probabilistic_pca:ProbabilisticPCA",
    "recurrent": "autoregressive.recurrent:RecurrentModel",
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
