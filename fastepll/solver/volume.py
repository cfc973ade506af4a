"""Half-quadratic splitting of a volume: the patches of its planes in all three directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastepll.backends import PassCall, prior_passes
from fastepll.solver.half_quadratic import TOGETHER
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastepll._validation.sigma import Sigma
    from fastepll.backends import Backend
    from fastepll.backends.passes import Pass
    from fastepll.models.adapted import PatchModel
    from fastepll.solver.settings import Settings

DIRECTIONS = 3


def check_settings_of_volume(settings: Settings, n_scales: int | None) -> None:
    """Raise ValueError if they ask for what there is of images alone."""
    if settings.learned:
        raise ValueError("quality must not be 'learned' for a volume: its steps are of images")
    if n_scales is not None and n_scales > 1:
        raise ValueError(f"n_scales must be 1 for a volume, got {n_scales}")


def check_sigmas_of_volumes(sigmas: Sequence[Sigma | None]) -> None:
    """Raise ValueError unless each volume has one noise level."""
    if any(isinstance(sigma, np.ndarray) for sigma in sigmas):
        raise ValueError("sigma must be one number for a volume, got one for each voxel")


def denoise_volume(
    noisy: FloatArray,
    model: PatchModel,
    sigma: float,
    settings: Settings,
    *,
    backend: Backend,
    n_threads: int,
    progress: Poll | None = None,
    out: FloatArray | None = None,
    work: FloatArray | None = None,
    spare: FloatArray | None = None,
) -> FloatArray:
    """Denoise (depth, height, width), or (channels, depth, height, width).

    Arguments as for `fastepll.solver.half_quadratic.denoise_plane`; ``spare`` is not needed.

    Minimises ``λ/2 ‖x - y‖² + Σ (β/2 ‖Pᵢx - zᵢ‖² - log p(zᵢ))`` over all patches of the planes
    along each pair of axes: x̃ is the mean of the averages of the three directions. Every voxel is
    seen by the patches of all, in which its noise is that of other voxels. There are no smaller
    sizes and no learned steps.
    """
    n = len(settings.noise)
    planes = [np.empty_like(noisy) if each is None else each for each in (out, work)]
    current = noisy
    for i, blend in enumerate(settings.blend):
        result, step = planes[(n - 1 - i) % 2], settings.pass_(i, sigma)
        for axis in range(DIRECTIONS):

            def poll(fraction: float, done: int = i * DIRECTIONS + axis) -> None:
                if progress is not None and done + fraction < n * DIRECTIONS:
                    progress((done + fraction) / (n * DIRECTIONS))

            add_direction(
                result,
                current,
                axis,
                model,
                step,
                backend=backend,
                n_threads=n_threads,
                poll=None if progress is None else poll,
            )
        for plane, y in zip(split(result), split(noisy), strict=True):
            np.multiply(plane, blend / DIRECTIONS, out=plane)
            np.add(plane, (1 - blend) * y, out=plane)
        current = result
    if progress is not None:
        progress(1.0)
    return current


def slices_along(volume: FloatArray, axis: int) -> FloatArray:
    """View of a volume (…, depth, height, width) as its planes orthogonal to an axis of these."""
    return np.moveaxis(volume, axis - DIRECTIONS, 0)


def add_direction(
    result: FloatArray,
    image: FloatArray,
    axis: int,
    model: PatchModel,
    step: Pass,
    *,
    backend: Backend,
    n_threads: int,
    poll: Poll | None,
) -> None:
    """Add the pass of the planes orthogonal to an axis of a volume; along the first, write it."""
    source, target = slices_along(image, axis), slices_along(result, axis)
    together = max(1, TOGETHER // source[0].size)
    for start in range(0, len(source), together):
        part = slice(start, start + together)
        slices = np.ascontiguousarray(source[part])
        estimates = np.empty_like(slices)

        def tell(fraction: float, start: int = start, count: int = len(slices)) -> None:
            if poll is not None:
                poll((start + fraction * count) / len(source))

        prior_passes(
            [
                PassCall(each, step, estimate)
                for each, estimate in zip(slices, estimates, strict=True)
            ],
            model,
            backend=backend,
            n_threads=n_threads,
            poll=None if poll is None else tell,
        )
        if axis > 0:
            estimates += target[part]
        target[part] = estimates
