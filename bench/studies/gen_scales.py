"""Priors of conditional densities that know of contrast: how each is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gen_patches import fitted

from fastepll.priors import Prior
from fastepll.train.descent import Descent, Run

Progress = Callable[[Run], None] | None


def conditional_scale_mixture(checkpoint: Path | None = None, progress: Progress = None) -> Prior:
    """Mixtures of Gaussian scale mixtures, one for each pixel."""
    how = Descent(
        iterations=40_000,
        batch=500,
        learning_rate=1e-2,
        warmup=200,
        average=0.999,
        clip=50,
    )
    return fitted("conditional-scale-mixture", checkpoint, progress, how=how)


def causal_network(checkpoint: Path | None = None, progress: Progress = None) -> Prior:
    """A residual network of 256 units for all pixels."""
    how = Descent(
        iterations=60_000,
        batch=256,
        learning_rate=5e-3,
        warmup=200,
        average=0.9995,
        clip=50,
    )
    options: dict[str, Any] = {"hidden": 256, "depth": 3, "halved": True}
    return fitted("causal-network", checkpoint, progress, how=how, **options)


RECIPES: dict[str, Callable[..., Prior]] = {
    "conditional-scale-mixture": conditional_scale_mixture,
    "causal-network": causal_network,
}
