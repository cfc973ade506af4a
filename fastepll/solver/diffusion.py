"""The steps of the trained reaction diffusion that follow the passes of quality "learned"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastepll._validation.images import check_fit
from fastepll.models.diffusion import shipped
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray, HasPatches, Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastepll.backends import Backend
    from fastepll.solver.settings import Settings

PASSES = 0.2  # share of the time of a restoration that the passes before the steps take


def check_learned(settings: Settings, model: HasPatches) -> bool:
    """Whether there are such steps; ValueError if so and the model is none of gray patches."""
    if settings.learned and len(model.patch_shape) != 2:
        raise ValueError(
            "quality 'learned' restores planes one by one: model must be of gray patches, "
            f"got patches {model.patch_shape}"
        )
    return settings.learned


def check_size(shape: Sequence[int]) -> None:
    """Raise ValueError if the steps have no room in an image (height, width)."""
    check_fit((*shape, 1), shipped())


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
    origin: tuple[int, int] = (0, 0),
    poll: Poll | None = None,
) -> None:
    """Take all steps in place, from a restored image (…, height, width); ``spare`` is like it.

    ``origin`` is where a part of an image begins.
    """
    steps = shipped().steps(sigma)
    total, done = len(steps) * len(split(image)), 0
    now, other = image, spare

    def tell(fraction: float) -> None:
        if poll is not None:
            poll((done + fraction) / total)

    for step in steps:
        for plane, y, target in zip(split(now), split(noisy), split(other), strict=True):
            backend.diffuse(
                plane,
                y,
                step,
                target,
                origin=origin,
                n_threads=n_threads,
                poll=None if poll is None else tell,
            )
            done += 1
        now, other = other, now
    if now is not image:
        np.copyto(image, now)
