"""Denoising where every pixel has a noise level of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastepll.epll import coarser, denoise_plane, n_scales, split
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from fastepll._check_sigma import Sigma
    from fastepll.backends import Backend
    from fastepll.models import GaussianMixture
    from fastepll.settings import Settings

TAIL = 0.01  # of the pixels may be noisier, or less noisy, than the levels that are computed
WIDEST = 64.0  # ratio of the levels
ROWS = 64  # at a time, so that temporaries stay small


def typical(sigma: Sigma) -> float:
    """Root mean square of the noise levels of all pixels, or the one noise level."""
    return sigma if isinstance(sigma, float) else float(np.sqrt(np.mean(np.square(sigma))))


def restore_plane(
    noisy: FloatArray,
    model: GaussianMixture,
    sigma: Sigma,
    settings: Settings,
    *,
    out: FloatArray | None = None,
    work: FloatArray | None = None,
    **options: Any,
) -> FloatArray:
    """`fastepll.epll.denoise_plane`, where sigma may also be a plane, one for each pixel."""
    if isinstance(sigma, float):
        return denoise_plane(noisy, model, sigma, settings, out=out, work=work, **options)
    restored = denoise_uneven(noisy, model, sigma, settings, **options)
    if out is None:
        return restored
    out[...] = restored
    return out


def denoise_uneven(
    noisy: FloatArray,
    model: GaussianMixture,
    sigma: FloatArray,
    settings: Settings,
    *,
    backend: Backend,
    n_threads: int,
    progress: Poll | None = None,
) -> FloatArray:
    """Denoise an image with noise of standard deviation sigma, a plane.

    The loop of `denoise_plane`, where a pass of the prior takes each pixel from averages for two
    noise levels, neighbours in a series of factor 2 or less, by the noise around it; and a pixel is
    blended with the noisy one by its own noise. A photograph whose noise rises from 10 to 40 is
    restored as well as its strips, each with its own sigma; one with noise that is the same
    everywhere as by `denoise_plane`.
    """
    variance = np.ascontiguousarray(np.square(sigma), noisy.dtype)
    local = np.sqrt(spread(variance, model.patch_shape))
    levels = series(local)
    place = places(local, levels)
    pieces = [rows_of(place, k, model.patch_shape[0]) for k in range(len(levels))]
    coarse = n_scales(noisy.shape, model, settings) > 1
    n = len(settings.noise)
    total = n * sum(rows.stop - rows.start for rows in pieces) * (4 / 3 if coarse else 1)
    done = 0.0
    current, average = noisy, np.empty_like(noisy)
    for i, blend in enumerate(settings.blend):
        result = np.zeros_like(noisy)
        for k, (level, rows) in enumerate(zip(levels, pieces, strict=True)):
            size = rows.stop - rows.start

            def poll(fraction: float, size: int = size, done: float = done) -> None:
                if progress is not None:
                    progress(min((done + fraction * size) / total, 0.999))

            average[..., rows, :] = backend.prior_pass(
                np.ascontiguousarray(current[..., rows, :]),
                model,
                settings.pass_(i, level, (rows.start, 0)),
                n_threads=n_threads,
                poll=poll if progress is not None else None,
            )
            done += size
            for here in strips(rows):
                share = np.maximum(0, 1 - np.abs(place[here] - k))
                result[..., here, :] += share * average[..., here, :]
        assumed = np.asarray(levels, noisy.dtype)
        for here in strips(slice(0, len(sigma))):
            level_var = np.interp(place[here], np.arange(len(levels)), np.log(assumed))
            trust = blend * variance[here]
            trust /= trust + (1 - blend) * np.exp(2 * level_var).astype(noisy.dtype) + 1e-30
            part = noisy[..., here, :]
            result[..., here, :] = part + trust * (result[..., here, :] - part)
        current = result
    if coarse:
        half = np.empty((len(sigma) // 2, sigma.shape[1] // 2), noisy.dtype)
        small = np.empty((*noisy.shape[:-2], *half.shape), noisy.dtype)
        for plane, target in zip(split(noisy), split(small), strict=True):
            backend.halve(plane, target, n_threads=n_threads)
        restored = denoise_uneven(
            small,
            model,
            np.sqrt(backend.halve(variance, half, n_threads=n_threads)) / 2,
            coarser(settings, min(model.patch_shape[:2])),
            backend=backend,
            n_threads=n_threads,
        )
        for plane, coarser_plane in zip(split(current), split(restored), strict=True):
            backend.add_coarse(plane, coarser_plane, settings.coarse, half, n_threads=n_threads)
    if progress is not None:
        progress(1.0)
    return current


def spread(variance: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Mean over the patches that cover a pixel of their mean variance."""
    for axis, p in enumerate(shape[:2]):
        for before in (0, p - 1):  # of patches that begin here, then of those that cover this
            n = variance.shape[axis]
            total = np.cumsum(variance, axis=axis, dtype=np.float64)
            total = np.insert(total, 0, 0, axis=axis)
            first = np.clip(np.arange(n) - before, 0, n)
            last = np.clip(np.arange(n) - before + p, 0, n)
            width = np.expand_dims(last - first, 1 - axis)
            variance = (np.take(total, last, axis) - np.take(total, first, axis)) / width
    return variance.astype(np.float32)


def series(sigma: FloatArray) -> list[float]:
    """Noise levels, rising by a factor of at most 2, between which those of nearly all pixels lie.

    Where there is no noise does not count; what lies beyond the levels is treated as the nearest.
    """
    low, high = np.quantile(sigma[sigma > 0], [TAIL, 1 - TAIL])
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
    near = np.flatnonzero((np.abs(place - k) < 1).any(axis=1))
    if len(near) == 0:
        return slice(0, min(2 * p, len(place)))
    return slice(max(0, int(near[0]) - p), min(len(place), int(near[-1]) + 1 + p))


def strips(rows: slice) -> Iterator[slice]:
    """The rows, a few at a time."""
    return (
        slice(start, min(start + ROWS, rows.stop)) for start in range(rows.start, rows.stop, ROWS)
    )
