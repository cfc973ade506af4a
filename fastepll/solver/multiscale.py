"""An image in several sizes: which ones, and the passes of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from fastepll.backends import PassCall
from fastepll.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models.adapted import PatchModel
    from fastepll.solver.settings import Settings

SMALLEST = 48  # pixels of the shorter side of an image that corrects another


@dataclass(eq=False)
class Size:
    """A noisy image in one of the sizes in which it is restored.

    Attributes
    ----------
    planes : two arrays like ``noisy``
        The last pass writes to the first of them, the one before to the other, and so on.
    sigma, settings, origin
        As for `fastepll.solver.half_quadratic.denoise_plane`.
    hints : array of int, optional
        As for `fastepll.backends.Backend.prior_pass`.
    """

    noisy: FloatArray
    planes: Sequence[FloatArray]
    sigma: float
    settings: Settings
    origin: tuple[int, int] = (0, 0)
    hints: IntArray | None = None

    def call(self, i: int) -> PassCall:
        """Pass number i."""
        target = (len(self.settings.noise) - 1 - i) % 2
        return PassCall(
            image=self.noisy if i == 0 else self.planes[1 - target],
            step=self.settings.pass_(i, self.sigma, self.origin),
            out=self.planes[target],
            blend=self.settings.blend[i],
            noisy=self.noisy,
            hints=self.hints,
        )


def half_size(
    size: Size, memory: FloatArray, model: PatchModel, *, backend: Backend, n_threads: int
) -> Size:
    """The image at half its size, in the first values of ``memory``, which is flat."""
    height, width = (n // 2 for n in size.noisy.shape[-2:])
    shape = (*size.noisy.shape[:-2], height, width)
    noisy, *planes = memory[: 3 * math.prod(shape)].reshape(3, *shape)
    for plane, half in zip(split(size.noisy), split(noisy), strict=True):
        backend.halve(plane, half, n_threads=n_threads)
    settings = coarser(size.settings, min(model.patch_shape[:2]))
    return Size(noisy, planes, size.sigma / 2, settings)


def count_scales(shape: tuple[int, ...], model: PatchModel, settings: Settings) -> int:
    """Sizes in which an image is restored: its own, and its halves."""
    side, count = min(shape[-2:]) // 2, 1
    if settings.coarse > 0:
        while count < settings.n_scales and side >= max(SMALLEST, *model.patch_shape):
            side, count = side // 2, count + 1
    return count


@lru_cache(maxsize=64)
def coarser(settings: Settings, side: int) -> Settings:
    """Settings for the image at half its size: less depends on it, so twice the stride will do."""
    stride = min(2 * settings.stride, max(settings.stride, side - 1))
    n_scales = max(settings.n_scales - 1, 1)
    return replace(settings, stride=stride, n_scales=n_scales, learned=False)


def split(image: FloatArray) -> FloatArray:
    """The planes of an image of one or of several."""
    return image.reshape(-1, *image.shape[-2:])
