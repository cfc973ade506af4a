"""Sizes of an autoencoder, from the shapes of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import Array, real_array

RealLikelihood: TypeAlias = Literal["gaussian", "student-t"]
LikelihoodName: TypeAlias = Literal["bernoulli", "gaussian", "student-t"]
NETWORKS = ("decoder", "encoder")
MOST = 1 << 16  # units of a layer


class Sizes(NamedTuple):
    """Of an autoencoder.

    Attributes
    ----------
    d, n_latents, width : int
        Values of a datum, latent variables, units of a hidden layer.
    depth : int
        Hidden layers of the encoder, and of the decoder; 0: both are affine.
    likelihood : {"bernoulli", "gaussian", "student-t"}
        Of the values given the latent variables.
    heteroscedastic : bool
        Whether the decoder has scales of the values too; else each value has one scale.
    """

    d: int
    n_latents: int
    width: int = 0
    depth: int = 0
    likelihood: LikelihoodName = "bernoulli"
    heteroscedastic: bool = False

    @property
    def n_features(self) -> int:
        """Of a datum: its values, or its values at unit contrast and the contrast."""
        return self.d + (self.likelihood != "bernoulli" and self.depth > 0)

    @property
    def n_outputs(self) -> int:
        """Of the decoder."""
        return 2 * self.d + 1 if self.heteroscedastic else self.d


def sizes_of(weights: Mapping[str, NDArray[Any]], d: int) -> Sizes:
    """Tell the sizes by weights of data of d values; ValueError if they have none."""
    try:
        (n_outputs,), (twice,) = (weights[f"{name}__last__bias"].shape for name in NETWORKS)
        depth = sum(name.startswith("decoder__hidden__") for name in weights) // 2
        width = weights["decoder__hidden__0__bias"].size if depth else 0
    except (KeyError, ValueError):
        raise ValueError(
            f"weights must be those of an autoencoder, got {sorted(weights)!s:.80}"
        ) from None
    likelihood: LikelihoodName = "bernoulli"
    if "likelihood__log_scale" in weights:
        likelihood = "student-t" if "likelihood__freedom" in weights else "gaussian"
    heteroscedastic = likelihood != "bernoulli" and n_outputs == 2 * d + 1
    return check_sizes(Sizes(d, twice // 2, width, depth, likelihood, heteroscedastic))


def check_sizes(sizes: Sizes) -> Sizes:
    """Return sizes that can be built."""
    least = {"n_latents": 1, "depth": 0, "width": 1 if sizes.depth else 0}
    for name, low in least.items():
        value = getattr(sizes, name)
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, got {value!r}")
        most = 64 if name == "depth" else MOST
        if not low <= value <= most:
            raise ValueError(f"{name} must be from {low} to {most}, got {value}")
    return sizes


def check_scaling(offset: ArrayLike, spread: ArrayLike, d: int) -> tuple[Array, Array]:
    """Return what is subtracted from data, and what they are divided by, both (d,)."""
    arrays = real_array("offset", offset), real_array("spread", spread)
    for name, array in zip(("offset", "spread"), arrays, strict=True):
        if array.shape != (d,):
            raise ValueError(f"{name} must have shape ({d},), got {array.shape}")
    if arrays[1].min() <= 0:
        raise ValueError(f"spread must be positive, got {arrays[1].min():.3g}")
    return arrays
