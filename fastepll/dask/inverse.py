"""restore for Dask arrays and operators that treat each pixel for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from fastepll import operators
from fastepll._validation.arguments import check_betas, real_array
from fastepll._validation.array_like import as_array
from fastepll._validation.images import check_fit
from fastepll.backends import backend_for, get_backend
from fastepll.dask.blocks import (
    Colours,
    Corner,
    Job,
    aligned,
    for_workers,
    halved,
    on_blocks,
    rechunked,
    within,
)
from fastepll.dask.denoising import reach
from fastepll.operators._fill import HALO, fill, refine, shrink
from fastepll.operators.pixels import Pixelwise
from fastepll.priors.choice import Model, check_model
from fastepll.solver.half_quadratic import joined, restorations
from fastepll.solver.multiscale import split
from fastepll.solver.restore_schedule import FLOOR, TaskSettings, task_settings
from fastepll.solver.settings import Settings, check_settings
from fastepll.typing import BackendName, DataRange, FloatArray, Quality

SINGLE = 1 << 20  # pixels, at most, of a coarse image that is guessed in one block


@dataclass(frozen=True, eq=False)
class Mask:
    """`fastepll.operators.Mask` of a Dask array: True where a pixel is unknown."""

    unknown: da.Array


@dataclass(frozen=True, eq=False)
class Diagonal:
    """`fastepll.operators.Diagonal` of a Dask array: the gain of each pixel.

    `restore` computes the mean square and the extremes when it is called, and the rest when its
    result is computed.
    """

    gain: da.Array


Local = Mask | Diagonal | operators.Mask | operators.Diagonal | operators.Identity


def restore(
    y: da.Array,
    operator: Local,
    sigma: float,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    data_range: DataRange = None,
    betas: Sequence[float] | None = None,
    n_threads: int = 1,
    backend: BackendName | None = None,
) -> da.Array:
    """Restore a Dask array of which every pixel was measured for itself, block by block.

    With the native backend the result is that of `fastepll.restore` of the whole image, bit for
    bit, whatever the chunks.

    Parameters
    ----------
    y : dask.array.Array
        As for `fastepll.restore`; chunks as for `fastepll.dask.denoise`.
    operator : Mask, Diagonal, or fastepll.operators.Mask, Diagonal, Identity
        What was done to each plane. Those of this module hold Dask arrays, those of
        `fastepll.operators` arrays in memory. No other operator is local, nor is there a mask for
        each image or channel: `fastepll.inpaint` has it.
    sigma, model, quality, channel_axis, stack, data_range, betas, n_threads, backend
        As for `fastepll.dask.denoise` and `fastepll.restore`.

    Returns
    -------
    dask.array.Array
        Not computed yet, with the shape, chunks and dtype of y.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.restore`; other operators. What is found in the pixels (NaN in y or in the
        gain) is raised when they are computed.

    Examples
    --------
    >>> import dask.array as da, numpy as np, fastepll
    >>> from fastepll.dask import Mask, restore
    >>> clean = np.fromfunction(lambda i, j: 0.5 + 0.4 * np.sin((i + 2 * j) / 12), (200, 160))
    >>> unknown = np.random.default_rng(0).random(clean.shape) < 0.5
    >>> y = da.from_array(np.where(unknown, 0, clean), chunks=100)
    >>> filled = restore(y, Mask(da.from_array(unknown, chunks=100)), 0, quality="preview")
    >>> bool(np.std(filled.compute() - clean) < 0.01)
    True
    """
    if not isinstance(operator, Local):
        raise ValueError(
            "operator must be a Mask, Diagonal or Identity, which treat each pixel for itself, "
            f"got {type(operator).__name__}"
        )
    mixture, told = for_workers(model)
    colours = Colours(
        "y",
        y,
        channel_axis,
        data_range,
        sigma=sigma,
        response=response_of(operator),
        backend=backend,
        model=mixture,
        stack=stack,
    )
    level, shape = colours.level, colours.planes.shape[-2:]
    check_fit((*shape, colours.planes.shape[-3]), mixture)
    gain, kind = gains(operator, shape, get_backend(backend).dtype)
    check_settings(quality, mixture)
    weights = None if betas is None else check_betas(betas)
    settings = task_settings(quality, kind, level, mixture.patch_shape, weights)
    mix = colours.mix
    sigmas = tuple(max(level * float(mix.gains[group[0]]), FLOOR) for group in mix.groups)
    halo = reach(settings, mixture)
    chunks = aligned(colours.planes.chunks, halo)
    job = Job(sigmas, (settings,) * len(sigmas), chunks, halo, backend, n_threads, mix.groups)
    planes, gain = rechunked(colours.planes, chunks), rechunked(gain, chunks)
    images = [(planes, halo), (gain, halo)]
    if not isinstance(operator, operators.Identity):
        mu = tuple(
            kind.prior_weight(sigma)
            for group, sigma in zip(mix.groups, sigmas, strict=True)
            for _ in group
        )
        v, w = planes * gain, gain * gain
        images.append((rechunked(_guess(v, w, mu, job), chunks), halo))
    return colours.join(on_blocks(_passes, images, job, told), y.chunks)


def response_of(operator: Local) -> tuple[float, float]:
    """`fastepll.operators.Operator.response`, for which the gain is read."""
    if isinstance(operator, Diagonal):
        gain = da.asarray(operator.gain).map_blocks(_finite, dtype=np.float64)
        least, most = dask.compute(gain.min(), gain.max())
        return min(float(least), 0.0), max(float(most), 0.0)
    return (0.0, 1.0) if isinstance(operator, Mask) else operator.response


def gains(
    operator: Local, shape: tuple[int, ...], dtype: type[np.floating[Any]]
) -> tuple[da.Array, Pixelwise]:
    """Gain of each pixel, and an operator of that kind."""
    kind: Pixelwise
    if isinstance(operator, operators.Identity):
        kind, name, found = operator, "operator", da.ones(operator.in_shape, dtype=dtype)
    elif isinstance(operator, Mask | operators.Mask):
        kind, name = operators.Mask(np.zeros((1, 1), bool)), "operator.unknown"
        found = da.asarray(operator.unknown)
        if found.dtype != np.bool_:
            raise TypeError(f"{name} must be of bool, got dtype {found.dtype}")
        found = found.map_blocks(_known, dtype=dtype, meta=np.empty((0, 0), dtype))
    else:
        name, found = "operator.gain", da.asarray(operator.gain)
        if found.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be of real numbers, got dtype {found.dtype}")
        power = np.asarray((found.astype(np.float64) ** 2).mean())
        kind = operators.Diagonal([[float(np.sqrt(power))]])
        found = found.map_blocks(_finite, dtype=dtype)
    if found.shape != shape:
        raise ValueError(f"{name} must have the shape {shape} of a plane of y, got {found.shape}")
    return found, kind


def _known(unknown: NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> FloatArray:
    """1 where a pixel of a block is known, else 0."""
    return (~as_array("mask", unknown)).astype(dtype)


def _finite(gain: NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> FloatArray:
    """Gain of a block."""
    gain = real_array("gain", gain)
    if not np.isfinite(gain).all():
        raise ValueError("gain must be finite, got NaN or infinite values")
    return gain.astype(np.float64).astype(dtype)


def _guess(v: da.Array, w: da.Array, mu: tuple[float, ...], job: Job) -> da.Array:
    """What `Pixelwise.guess` gives of v = gain · y and w = gain²."""
    height, width = w.shape
    if height * width <= SINGLE:
        whole = ((height,), (width,))
        here = replace(job, chunks=whole, halo=0)
        v, w = rechunked(v, whole), rechunked(w, whole)
        return on_blocks(_fill, [(v, 0), (w, 0)], here, mu)
    chunks = aligned(v.chunks, max(HALO, *map(max, job.chunks)))
    v, w = rechunked(v, chunks), rechunked(w, chunks)
    small = replace(job, chunks=halved(chunks, up=True), halo=0)
    coarse = _guess(
        on_blocks(_shrink, [(v, 0)], small), on_blocks(_shrink, [(w, 0)], small), mu, job
    )
    here = replace(job, chunks=chunks, halo=HALO)
    coarse = rechunked(coarse, halved(chunks, up=True))
    return on_blocks(_refine, [(v, HALO), (w, HALO), (coarse, HALO // 2 + 1)], here, mu)


def _shrink(at: Corner, block: FloatArray, *, job: Job, common: Any) -> FloatArray:
    """Sums of 2×2 pixels."""
    del at, job, common
    shape = (*block.shape[:-2], (block.shape[-2] + 1) // 2, (block.shape[-1] + 1) // 2)
    result = np.empty(shape, block.dtype)
    for index in np.ndindex(block.shape[:-2]):
        result[index] = shrink(block[index])
    return result


def _fill(
    at: Corner, v: FloatArray, w: FloatArray, *, job: Job, common: tuple[float, ...]
) -> FloatArray:
    """Guess of a whole image."""
    del at, job
    result = np.empty_like(v)
    for index in np.ndindex(v.shape[:-2]):
        result[index] = fill(v[index], w, common[index[-1]])
    return result


def _refine(
    at: Corner,
    v: FloatArray,
    w: FloatArray,
    half: FloatArray,
    *,
    job: Job,
    common: tuple[float, ...],
) -> FloatArray:
    """Guess of a block from that at half its size."""
    outer, inner = job.core(at)
    core, skip = within(inner, outer), (int(outer[0].start > 0), int(outer[1].start > 0))
    shape = [here.stop - here.start for here in core]
    result = np.empty((*v.shape[:-2], *shape), v.dtype)
    for index in np.ndindex(v.shape[:-2]):
        result[index] = refine(v[index], w, half[index], common[index[-1]], skip)[core]
    return result


class Part(Pixelwise):
    """The operator on a block with that gain."""

    def __init__(self, gain: FloatArray) -> None:
        super().__init__(gain.shape, gain.shape)
        self.gain = gain

    def gain_of(self, rows: slice, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
        """The gain."""
        return self.gain[rows].astype(dtype, copy=False)


def _passes(
    at: Corner,
    y: FloatArray,
    gain: FloatArray,
    start: FloatArray | None = None,
    *,
    job: Job,
    common: Model,
) -> FloatArray:
    """A block restored."""
    outer, inner = job.core(at)
    core, mixture = within(inner, outer), check_model(common)
    shape = [here.stop - here.start for here in core]
    result = np.empty((*y.shape[:-2], *shape), y.dtype)
    start = y if start is None else start
    for index in np.ndindex(y.shape[:-3]):
        for group, sigma, settings in zip(job.groups, job.sigmas, job.settings, strict=True):
            for image in restorations(
                [np.ascontiguousarray(y[index][c]) for c in group],
                Part(gain),
                mixture,
                sigma,
                cast("TaskSettings", settings),
                backend=backend_for(mixture, job.backend),
                n_threads=job.n_threads,
                start=joined([start[index][c] for c in group], mixture),
                origin=(outer[0].start, outer[1].start),
            ):
                restored = image
            for c, plane in zip(group, split(restored), strict=True):
                result[index][c] = plane[core]
    return result
