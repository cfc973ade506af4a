"""The steps of the trained reaction diffusion that follow the passes of quality "learned"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fastepll._validation.images import check_fit
from fastepll.models.diffusion import CHROMA, shipped
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray, HasPatches, Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def grid() -> int:
    """Parts of an image must begin at multiples of so many pixels."""
    return 1 << max(*shipped().halvings, *shipped(CHROMA).halvings)


def reach(*, guided: bool = False) -> int:
    """Pixels around a pixel that it depends on by these steps, a multiple of `grid`.

    Those of smaller images are enlarged from two pixels around, at most.
    """
    steps = shipped(CHROMA) if guided else shipped()
    side = max(steps.patch_shape)
    pixels = sum((side + 2) * 2**n if n else side - 1 for n in steps.halvings)
    return -(-pixels // grid()) * grid()


def diffuse(
    image: FloatArray,
    noisy: FloatArray,
    sigma: float,
    spare: FloatArray,
    *,
    backend: Backend,
    n_threads: int,
    guided: bool = False,
    origin: tuple[int, int] = (0, 0),
    poll: Poll | None = None,
) -> None:
    """Take all steps in place, from a restored image (…, height, width); ``spare`` is like it.

    The steps of chroma are ``guided``: ``noisy`` is the restored luminance then. ``origin`` is
    where a part of an image begins. Of an image that is too small when halved, steps are left out.
    """
    height, width = image.shape[-2:]
    model = shipped(CHROMA) if guided else shipped()
    rows, cols = model.patch_shape
    steps = [
        step
        for step in model.steps(sigma)
        if height >> step.halvings >= rows and width >> step.halvings >= cols
    ]
    total, done, share = sum(0.25**step.halvings for step in steps) * len(split(image)), 0.0, 1.0
    now, other = image, spare

    def tell(fraction: float) -> None:
        if poll is not None:
            poll((done + share * fraction) / total)

    for step in steps:
        share = 0.25**step.halvings
        take = partial(
            backend.diffuse,
            step=step,
            origin=(origin[0] >> step.halvings, origin[1] >> step.halvings),
            n_threads=n_threads,
            poll=None if poll is None else tell,
        )
        for plane, y, target in zip(split(now), split(noisy), split(other), strict=True):
            if step.halvings:
                room = target.reshape(-1)
                _halved(plane, y, room, step.halvings, take, backend=backend, n_threads=n_threads)
            else:
                take(plane, y, out=target)
            done += share
        if not step.halvings:
            now, other = other, now
    if now is not image:
        np.copyto(image, now)


def _halved(
    image: FloatArray,
    noisy: FloatArray,
    room: FloatArray,
    halvings: int,
    take: Callable[..., FloatArray],
    *,
    backend: Backend,
    n_threads: int,
) -> None:
    """Take a step of the image halved so often, in place; ``room`` is flat and as large as it."""
    shape = image.shape[0] // 2, image.shape[1] // 2
    size = shape[0] * shape[1]
    half, half_noisy, other = room[: 3 * size].reshape(3, *shape)
    backend.halve(image, half, n_threads=n_threads)
    backend.halve(noisy, half_noisy, n_threads=n_threads)
    if halvings > 1:
        rest = room[2 * size :]
        _halved(half, half_noisy, rest, halvings - 1, take, backend=backend, n_threads=n_threads)
        half, other = half_noisy, half
    else:
        take(half, half_noisy, out=other)
    backend.add_coarse(image, other, 1.0, half, n_threads=n_threads)
