"""The steps of the trained reaction diffusion that follow the passes of quality "learned"."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

import fastepll.models.diffusion as models
from fastepll.models.diffusion import ReactionDiffusion
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray, HasPatches

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastepll.backends import Backend
    from fastepll.solver.settings import Settings

FILE = os.path.join(os.path.dirname(os.path.abspath(models.__file__)), "diffusions", "gray-8x8.npz")


@cache
def shipped() -> ReactionDiffusion:
    """The one that comes with the package."""
    return ReactionDiffusion.load(FILE)


def check_learned(settings: Settings, model: HasPatches) -> bool:
    """Whether there are such steps; ValueError if so and the model is none of gray patches."""
    if settings.learned and len(model.patch_shape) != 2:
        raise ValueError(
            "quality 'learned' restores planes one by one: model must be of gray patches, "
            f"got patches {model.patch_shape}"
        )
    return settings.learned


def reach() -> int:
    """Pixels around a pixel that it depends on by these steps."""
    return shipped().n_steps * (max(shipped().patch_shape) - 1)


def diffuse(
    image: FloatArray,
    noisy: FloatArray,
    sigma: float,
    spare: FloatArray,
    *,
    backend: Backend,
    n_threads: int,
    poll: Callable[[float], None] | None = None,
) -> None:
    """Take all steps in place, from a restored image (…, height, width); ``spare`` is like it."""
    steps = shipped().steps(sigma)
    now, other = image, spare
    for i, step in enumerate(steps):
        for plane, y, target in zip(split(now), split(noisy), split(other), strict=True):
            backend.diffuse(plane, y, step, target, n_threads=n_threads)
        now, other = other, now
        if poll is not None:
            poll((i + 1) / len(steps))
    if now is not image:
        np.copyto(image, now)
