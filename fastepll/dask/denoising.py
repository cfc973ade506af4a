"""denoise for Dask arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np

from fastepll._deprecated import older_keywords
from fastepll._validation.images import check_fit
from fastepll.backends import backend_for, get_backend
from fastepll.dask.blocks import (
    Colours,
    Corner,
    Job,
    aligned,
    for_workers,
    grown,
    halved,
    on_blocks,
    rechunked,
    within,
)
from fastepll.models.adapted import PatchModel
from fastepll.priors.choice import Model, check_model
from fastepll.restoration.denoiser import NEGLIGIBLE, Denoiser
from fastepll.solver import diffusion
from fastepll.solver.half_quadratic import denoise_plane
from fastepll.solver.multiscale import coarser, count_scales, split
from fastepll.solver.settings import Settings
from fastepll.typing import BackendName, DataRange, FloatArray, Quality


@older_keywords({"scales": "n_scales"})
def denoise(
    image: da.Array,
    sigma: float,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    data_range: DataRange = None,
    betas: Sequence[float] | None = None,
    n_scales: int | None = None,
    n_threads: int = 1,
    backend: BackendName | None = None,
) -> da.Array:
    """Remove white Gaussian noise from a Dask array by EPLL, block by block.

    With the native backend the result is that of `fastepll.denoise` of the whole image, bit for
    bit, whatever the chunks.

    Parameters
    ----------
    image : dask.array.Array
        As for `fastepll.denoise`. Chunks of 512 to 4096 pixels a side are best: around each,
        about 40 more pixels are computed, for "learned" 96, in colour 124. Smaller chunks than
        that are merged.
    sigma : float
        Standard deviation of the noise in the units of the image. It cannot be estimated here;
        `fastepll.estimate_sigma` of a part of the image can tell it.
    model, quality, channel_axis, stack, betas, n_scales, backend
        As for `fastepll.denoise`.
    data_range : float, optional
        As for `fastepll.denoise`; without it, each block must look like an image in [0, 1] if it
        is of floats, and that a uint16 image has few bits is not told. "auto" reads the image when
        this is called.
    n_threads : int
        Threads of each block. 1, as Dask computes several blocks at a time.

    Returns
    -------
    dask.array.Array
        Not computed yet, with the shape, chunks and dtype of the image.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`. What is found in the pixels (NaN) is raised when they are computed.

    Notes
    -----
    The patches of a block lie on the grid of the whole image, and the image at half its size, which
    corrects the low frequencies, is a Dask array of its own, and so on down to 48 pixels. So each
    block is read with a halo and depends on few blocks of each size.

    Examples
    --------
    >>> import dask.array as da, numpy as np, fastepll
    >>> from fastepll.dask import denoise
    >>> noisy = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((200, 160))
    >>> restored = denoise(da.from_array(noisy, chunks=100), 0.1, quality="preview")
    >>> whole = fastepll.denoise(noisy, 0.1, quality="preview")
    >>> bool(np.allclose(restored.compute(), whole, atol=1e-5))
    True
    """
    mixture, told = for_workers(model)
    colours = Colours(
        "image",
        image,
        channel_axis,
        data_range,
        sigma=sigma,
        backend=backend,
        model=mixture,
        stack=stack,
    )
    level = colours.level
    mix, shape = colours.mix, colours.planes.shape
    check_fit((*shape[-2:], shape[-3]), mixture)
    ours = Denoiser(
        model=mixture,
        channel_axis=-1,
        quality=quality,
        betas=betas,
        n_scales=n_scales,
        n_threads=n_threads,
        backend=backend,
    )
    if level < NEGLIGIBLE:
        return image
    sigmas = tuple(level * float(mix.gains[group[0]]) for group in mix.groups)
    job = Job(
        sigmas=sigmas,
        settings=tuple(ours._settings(sigma, i, len(sigmas)) for i, sigma in enumerate(sigmas)),
        chunks=((), ()),
        halo=0,
        backend=backend,
        n_threads=n_threads,
        groups=mix.groups,
    )
    restored = _denoise(colours.planes, job, mixture, told, 0)
    if job.settings[0].learned:
        diffusion.check_size(shape[-2:])
        around = diffusion.reach()
        if len(job.groups) > 1 and job.settings[-1].learned:
            around += diffusion.reach(guided=True)
        chunks = aligned(restored.chunks, around, diffusion.grid())
        planes = [(rechunked(each, chunks), around) for each in (restored, colours.planes)]
        restored = on_blocks(_steps, planes, replace(job, halo=around, chunks=chunks), told)
    return colours.join(restored, image.chunks)


def _denoise(noisy: da.Array, job: Job, mixture: PatchModel, told: Any, least: int) -> da.Array:
    """Planes (..., planes, height, width) restored, with blocks of at least so many pixels."""
    settings = job.settings[0]
    coarse = count_scales(noisy.shape[-2:], mixture, settings) > 1
    halo = max(reach(each, mixture) for each in job.settings) + 2 * coarse
    chunks = aligned(noisy.chunks, max(least, halo))
    job = replace(job, halo=halo, chunks=chunks)
    noisy = rechunked(noisy, chunks)
    if not coarse:
        return on_blocks(_passes, [(noisy, halo)], job, told)
    small = on_blocks(_halve, [(noisy, 0)], replace(job, halo=0, chunks=halved(chunks)))
    smaller = replace(
        job,
        sigmas=tuple(sigma / 2 for sigma in job.sigmas),
        settings=tuple(coarser(each, min(mixture.patch_shape[:2])) for each in job.settings),
    )
    restored = _denoise(small, smaller, mixture, told, max(map(max, chunks)))
    restored = rechunked(restored, halved(chunks))
    return on_blocks(_passes, [(noisy, halo), (restored, 1)], job, told)


def reach(settings: Settings, model: PatchModel) -> int:
    """Pixels around a block that its pixels depend on, made even.

    A pass makes wrong what the patches at the edge of a block cover, which are off the grid of the
    whole image if that has a stride.
    """
    side = max(model.patch_shape[:2])
    pixels = len(settings.noise) * (side - 1 if settings.stride == 1 else side)
    return pixels + pixels % 2


def _halve(at: Corner, block: FloatArray, *, job: Job, common: Any) -> FloatArray:
    """The block at half its size."""
    del at, common
    engine = get_backend(job.backend)
    small = np.empty((*block.shape[:-2], block.shape[-2] // 2, block.shape[-1] // 2), block.dtype)
    for index in np.ndindex(block.shape[:-2]):
        engine.halve(np.ascontiguousarray(block[index]), small[index], n_threads=job.n_threads)
    return small


def _passes(
    at: Corner,
    block: FloatArray,
    coarse: FloatArray | None = None,
    *,
    job: Job,
    common: Model,
) -> FloatArray:
    """A block restored, corrected by the coarse one, which has one pixel more around it."""
    mixture = check_model(common)
    engine = backend_for(mixture, job.backend)
    outer, inner = job.core(at)
    edge = grown(inner, 2, outer)
    here, core = within(edge, outer), within(inner, edge)
    shape = (core[0].stop - core[0].start, core[1].stop - core[1].start)
    result = np.empty((*block.shape[:-2], *shape), block.dtype)
    for index in np.ndindex(block.shape[:-3]):
        for group, sigma, settings in zip(job.groups, job.sigmas, job.settings, strict=True):
            planes = list(group)
            noisy = np.ascontiguousarray(block[index][planes])
            restored = denoise_plane(
                noisy if len(mixture.patch_shape) == 3 else noisy[0],
                mixture,
                sigma,
                replace(settings, coarse=0.0, learned=False),
                backend=engine,
                n_threads=job.n_threads,
                origin=(outer[0].start, outer[1].start),
            )
            for c, plane in zip(planes, split(restored), strict=True):
                part = np.ascontiguousarray(plane[here])
                if coarse is not None:
                    small = np.ascontiguousarray(coarse[index][c])
                    scratch = np.empty_like(small)
                    engine.add_coarse(
                        part, small, settings.coarse, scratch, n_threads=job.n_threads
                    )
                result[index][c] = part[core]
    return result


def _steps(
    at: Corner, block: FloatArray, noisy: FloatArray, *, job: Job, common: Model
) -> FloatArray:
    """A restored block after the steps of quality "learned"."""
    engine = backend_for(check_model(common), job.backend)
    outer, inner = job.core(at)
    core = within(inner, outer)
    image = block.copy()
    for index in np.ndindex(block.shape[:-3]):
        groups = zip(job.groups, job.sigmas, job.settings, strict=True)
        for i, (group, sigma, settings) in enumerate(groups):
            for c in group if settings.learned else ():
                diffusion.diffuse(
                    image[index][c],
                    image[index][0] if i else np.ascontiguousarray(noisy[index][c]),
                    sigma,
                    np.empty_like(image[index][c]),
                    backend=engine,
                    n_threads=job.n_threads,
                    guided=i > 0,
                    origin=(outer[0].start, outer[1].start),
                )
    return image[..., core[0], core[1]]
