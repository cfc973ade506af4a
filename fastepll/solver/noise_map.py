"""Denoising where every pixel has a noise level of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastepll.operators._outliers import level_of, outliers, settled
from fastepll.solver.diffusion import PASSES, diffuse, grid, reach
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.multiscale import coarser, count_scales, split
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from fastepll._validation.sigma import Sigma
    from fastepll.backends import Backend
    from fastepll.models.adapted import PatchModel
    from fastepll.solver.settings import Settings

TAIL = 0.01  # of the pixels may be noisier, or less noisy, than the levels that are computed
WIDEST = 64.0  # ratio of the levels
SAMPLE = 1000  # rows, about, of which the levels are taken
MOMENTUM = 0.6  # of outliers, which move slowly otherwise
ROWS = 64  # at a time, so that temporaries stay small


def typical(sigma: Sigma) -> float:
    """The one noise level, or that of the bulk of the pixels."""
    return sigma if isinstance(sigma, float) else level_of(sigma)


def restore_plane(
    noisy: FloatArray,
    model: PatchModel,
    sigma: Sigma,
    settings: Settings,
    *,
    out: FloatArray | None = None,
    work: FloatArray | None = None,
    spare: FloatArray | None = None,
    **options: Any,
) -> FloatArray:
    """`denoise_plane`, where sigma may also be a plane, one for each pixel."""
    if isinstance(sigma, float):
        return denoise_plane(
            noisy, model, sigma, settings, out=out, work=work, spare=spare, **options
        )
    restored = denoise_with_map(noisy, model, sigma, settings, room=[out, work], **options)
    if out is None or restored is out:
        return restored
    out[...] = restored
    return out


def denoise_with_map(
    noisy: FloatArray,
    model: PatchModel,
    sigma: FloatArray,
    settings: Settings,
    *,
    backend: Backend,
    n_threads: int,
    progress: Poll | None = None,
    guide: FloatArray | None = None,
    room: Sequence[FloatArray | None] = (None, None),
) -> FloatArray:
    """Denoise an image with noise of standard deviation sigma, a plane.

    The loop of `denoise_plane`, where a pass of the prior takes each pixel from averages for two
    noise levels, neighbours in a series of factor 2 or less, by the noise around it; and a pixel is
    blended with the noisy one by its own noise. A photograph whose noise rises from 10 to 40 is
    restored as well as its strips, each with its own sigma; one with noise that is the same
    everywhere as by `denoise_plane`. Pixels far noisier than those around them start from a guess
    by these, and the passes assume the noise of that. The correction by the coarser image is less
    for pixels with less noise than those around them. The result is one of the two arrays of
    ``room``, if they are given.
    """
    own, found = sigma, outliers(sigma, typical(sigma))
    if found is not None:
        noisy, sigma = settled(noisy, sigma, found)
    variance = np.empty(sigma.shape, noisy.dtype)
    for here in strips(slice(0, len(sigma))):
        variance[here] = np.square(sigma[here])
    local = spread(variance, model.patch_shape)
    np.sqrt(local, out=local)
    levels = series(local)
    place = places(local, levels)
    pieces = [rows_of(place, k, model.patch_shape[0]) for k in range(len(levels))]
    coarse = count_scales(noisy.shape, model, settings) > 1
    steps = [*enumerate(settings.blend)]
    if found is not None:
        steps.insert(0, (0, 0.0))  # outliers alone follow it
    n = len(steps)
    total = n * sum(rows.stop - rows.start for rows in pieces) * (4 / 3 if coarse else 1)
    total /= PASSES if settings.learned else 1
    done = 0.0
    current, patched = noisy, np.empty_like(noisy)
    planes = [np.empty_like(noisy) if plane is None else plane for plane in room]
    for number, (i, blend) in enumerate(steps):
        result = planes[(n - 1 - number) % 2]
        result.fill(0)
        for k, (level, rows) in enumerate(zip(levels, pieces, strict=True)):
            size = rows.stop - rows.start

            def poll(fraction: float, size: int = size, done: float = done) -> None:
                if progress is not None:
                    progress(min((done + fraction * size) / total, 0.999))

            image = np.ascontiguousarray(current[..., rows, :])
            average = backend.prior_pass(
                image,
                model,
                settings.pass_(i, level, (rows.start, 0)),
                n_threads=n_threads,
                poll=poll if progress is not None else None,
                out=patched.reshape(-1)[: image.size].reshape(image.shape),
            )
            done += size
            add_level(result, average, rows, place, k)
        followed = None if found is None else result[..., found]
        trust(result, noisy, blend, np.square(own), place=place, levels=levels)
        if found is not None and followed is not None and number < n - 1:
            followed = followed if blend == 0 else result[..., found]
            result[..., found] = followed + MOMENTUM * (followed - current[..., found])
        current = result
    if coarse:
        patched[...] = current
        add_coarser(current, noisy, variance, model, settings, backend=backend, n_threads=n_threads)
        keep_share(current, patched, variance, local)
    if settings.learned:
        result = planes[current is planes[0]]
        diffuse_levels(
            result,
            current,
            noisy if guide is None else guide,
            guided=guide is not None,
            levels=levels,
            place=place,
            spare=patched,
            backend=backend,
            n_threads=n_threads,
            poll=None if progress is None else lambda part: progress(PASSES + (1 - PASSES) * part),
        )
        keep_share(result, current, variance, local)
        current = result
    if progress is not None:
        progress(1.0)
    return current


def add_coarser(
    image: FloatArray,
    noisy: FloatArray,
    variance: FloatArray,
    model: PatchModel,
    settings: Settings,
    *,
    backend: Backend,
    n_threads: int,
) -> None:
    """Correct an image by the noisy one at half its size, denoised."""
    half = np.empty((variance.shape[0] // 2, variance.shape[1] // 2), noisy.dtype)
    small = np.empty((*noisy.shape[:-2], *half.shape), noisy.dtype)
    for plane, target in zip(split(noisy), split(small), strict=True):
        backend.halve(plane, target, n_threads=n_threads)
    restored = denoise_with_map(
        small,
        model,
        np.sqrt(backend.halve(variance, half, n_threads=n_threads)) / 2,
        coarser(settings, min(model.patch_shape[:2])),
        backend=backend,
        n_threads=n_threads,
    )
    for plane, coarser_plane in zip(split(image), split(restored), strict=True):
        backend.add_coarse(plane, coarser_plane, settings.coarse, half, n_threads=n_threads)


def diffuse_levels(
    result: FloatArray,
    image: FloatArray,
    noisy: FloatArray,
    *,
    guided: bool,
    levels: Sequence[float],
    place: FloatArray,
    spare: FloatArray,
    backend: Backend,
    n_threads: int,
    poll: Poll | None = None,
) -> None:
    """Fill the result with an image after the steps of quality "learned", by the noise around."""
    result.fill(0)
    for k, level in enumerate(levels):

        def tell(fraction: float, k: int = k) -> None:
            if poll is not None:
                poll(min((k + fraction) / len(levels), 0.999))

        rows = rows_of(place, k, reach(guided=guided))
        rows = slice(rows.start - rows.start % grid(), rows.stop)
        part = image[..., rows, :].copy()
        before = np.ascontiguousarray(noisy[..., rows, :])
        room = spare.reshape(-1)[: part.size].reshape(part.shape)
        diffuse(
            part,
            before,
            level,
            room,
            backend=backend,
            n_threads=n_threads,
            guided=guided,
            poll=None if poll is None else tell,
        )
        add_level(result, part, rows, place, k)


def add_level(
    result: FloatArray, image: FloatArray, rows: slice, place: FloatArray, k: int
) -> None:
    """Add to the result the rows of an image restored for level k, as far as that is near."""
    for here in strips(rows):
        share = np.maximum(0, 1 - np.abs(place[here] - k))
        there = slice(here.start - rows.start, here.stop - rows.start)
        result[..., here, :] += share * image[..., there, :]


def trust(
    result: FloatArray,
    noisy: FloatArray,
    blend: float,
    variance: FloatArray,
    *,
    place: FloatArray,
    levels: list[float],
) -> None:
    """Replace averages of a pass by what they and the noisy image give, each by its variance."""
    assumed = np.asarray(levels, noisy.dtype)
    for here in strips(slice(0, len(place))):
        level_var = np.interp(place[here], np.arange(len(levels)), np.log(assumed))
        share = blend * variance[here].astype(noisy.dtype)
        share /= share + (1 - blend) * np.exp(2 * level_var).astype(noisy.dtype) + 1e-30
        part = noisy[..., here, :]
        result[..., here, :] = part + share * (result[..., here, :] - part)


def keep_share(
    image: FloatArray, before: FloatArray, variance: FloatArray, local: FloatArray
) -> None:
    """Take back of what was added to an image what its pixels have less noise than those around.

    None is left where there is no noise.
    """
    for here in strips(slice(0, len(local))):
        share = np.minimum(variance[here] / np.maximum(np.square(local[here]), 1e-30), 1)
        start, part = before[..., here, :], image[..., here, :]
        part -= start
        part *= share
        part += start


def spread(variance: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Mean over the patches that cover a pixel of their mean variance."""
    for axis, p in enumerate(shape[:2]):
        for before in (0, p - 1):  # of patches that begin here, then of those that cover this
            total, n = np.zeros_like(variance), variance.shape[axis]
            count = np.zeros(n, variance.dtype)
            for shift in range(-before, p - before):
                here = slice(max(-shift, 0), max(n - max(shift, 0), 0))
                there = slice(here.start + shift, here.stop + shift)
                np.moveaxis(total, axis, 0)[here] += np.moveaxis(variance, axis, 0)[there]
                count[here] += 1
            total /= np.expand_dims(count, 1 - axis)
            variance = total
    return variance


def series(sigma: FloatArray) -> list[float]:
    """Noise levels, rising by a factor of at most 2, between which those of nearly all pixels lie.

    Where there is no noise does not count; what lies beyond the levels is treated as the nearest.
    """
    step = max(1, len(sigma) // SAMPLE)
    some = sigma[::step, ::step]
    some = some if some.any() else sigma
    low, high = np.quantile(some[some > 0], [TAIL, 1 - TAIL])
    low = max(float(low), float(high) / WIDEST)
    n = 1 + math.ceil(math.log2(float(high) / low) - 1e-6)
    return [float(level) for level in np.geomspace(low, high, n)]


def places(sigma: FloatArray, levels: list[float]) -> FloatArray:
    """Where in the series of levels each pixel lies: 1.5 is halfway from number 1 to number 2."""
    result = np.empty(sigma.shape, np.float32)
    for here in strips(slice(0, len(sigma))):
        result[here] = np.interp(
            np.log(np.maximum(sigma[here], 1e-30)), np.log(levels), np.arange(len(levels))
        )
    return result


def rows_of(place: FloatArray, k: int, p: int) -> slice:
    """Rows with pixels that level k counts for, and p more on either side."""
    near = np.flatnonzero(
        np.concatenate(
            [(np.abs(place[rows] - k) < 1).any(axis=1) for rows in strips(slice(0, len(place)))]
        )
    )
    if len(near) == 0:
        return slice(0, min(2 * p, len(place)))
    return slice(max(0, int(near[0]) - p), min(len(place), int(near[-1]) + 1 + p))


def strips(rows: slice) -> Iterator[slice]:
    """The rows, a few at a time."""
    return (
        slice(start, min(start + ROWS, rows.stop)) for start in range(rows.start, rows.stop, ROWS)
    )
