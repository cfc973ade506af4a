"""Blocks of an image: chunks on the grid of the coarser image, with a halo, as planes in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from fastepll._validation.arguments import check_backend, check_flag
from fastepll._validation.array_like import as_array
from fastepll._validation.images import check_image
from fastepll._validation.intensities import (
    Response,
    Values,
    check_data_range,
    check_intensities,
    sample_of,
)
from fastepll._validation.sigma import check_sigma, scale_sigma
from fastepll.backends import get_backend
from fastepll.images.channels import planes_for
from fastepll.images.conversion import Conversion
from fastepll.models import load_model
from fastepll.models.adapted import PatchModel
from fastepll.priors.choice import Model, check_model
from fastepll.solver.settings import Settings
from fastepll.typing import BackendName, DataRange, FloatArray

Chunks = tuple[tuple[int, ...], tuple[int, ...]]
Corner = tuple[int, int]
Box = tuple[slice, slice]


@dataclass(frozen=True)
class Job:
    """What blocks of one level of an image have in common.

    Attributes
    ----------
    sigmas, settings
        Noise and settings of each group of planes.
    chunks
        Rows and columns of the blocks without their halo.
    halo : int
        Pixels around a block, where the image has them.
    """

    sigmas: tuple[float, ...]
    settings: tuple[Settings, ...]
    chunks: Chunks
    halo: int
    backend: BackendName | None
    n_threads: int
    groups: tuple[tuple[int, ...], ...] = ()
    """Planes that are restored together, where they are."""

    def core(self, at: Corner) -> tuple[Box, Box]:
        """Block that begins there, in the image, with its halo and without."""
        inner = []
        outer = []
        for start, sizes in zip(at, self.chunks, strict=True):
            stop = start + sizes[list(accumulate(sizes, initial=0)).index(start)]
            inner.append(slice(start, stop))
            outer.append(slice(max(start - self.halo, 0), min(stop + self.halo, sum(sizes))))
        return (outer[0], outer[1]), (inner[0], inner[1])


def within(part: Box, whole: Box) -> Box:
    """The part, in pixels of the whole."""
    rows, cols = (
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, whole, strict=True)
    )
    return rows, cols


def grown(box: Box, by: int, whole: Box) -> Box:
    """The box and ``by`` pixels around it, as far as the whole goes."""
    rows, cols = (
        slice(max(a.start - by, b.start), min(a.stop + by, b.stop))
        for a, b in zip(box, whole, strict=True)
    )
    return rows, cols


def on_blocks(
    function: Callable[..., FloatArray],
    images: Sequence[tuple[da.Array, int]],
    job: Job,
    common: Any = None,
) -> da.Array:
    """Array of what ``function((top, left), *blocks, job, common)`` gives for each block.

    ``images`` are arrays (..., height, width) in as many blocks each, and their halos. The result
    has the chunks of the job, and else those of the first.
    """
    n = images[0][0].ndim
    starts = [
        da.from_array(np.array(list(accumulate(sizes[:-1], initial=0))), chunks=1)
        for sizes in job.chunks
    ]
    arguments: list[Any] = []
    for image, halo in images:
        axes = tuple(range(n - image.ndim, n))
        depth = {k: halo * (len(image.chunks[k]) > 1) for k in (image.ndim - 2, image.ndim - 1)}
        arguments += [da.overlap.overlap(image, depth, boundary="none"), axes]
    return da.blockwise(
        _call,
        tuple(range(n)),
        starts[0],
        (n - 2,),
        starts[1],
        (n - 1,),
        *arguments,
        align_arrays=False,
        adjust_chunks={n - 2: job.chunks[0], n - 1: job.chunks[1]},
        dtype=images[0][0].dtype,
        meta=np.empty((0,) * n, images[0][0].dtype),
        function=function,
        job=job,
        common=common,
    )


def _call(
    top: NDArray[Any], left: NDArray[Any], *blocks: FloatArray, function: Any, job: Job, common: Any
) -> FloatArray:
    """One block."""
    result: FloatArray = function((int(top[0]), int(left[0])), *blocks, job=job, common=common)
    return result


def aligned(chunks: Sequence[Sequence[int]], least: int, grid: int = 2) -> Chunks:
    """Chunks of rows and columns that begin at multiples of ``grid`` and have at least so many."""
    result = []
    for sizes in chunks[-2:]:
        at = [0]
        for end in accumulate(sizes[:-1]):
            start = end - end % grid
            if start - at[-1] >= least and sum(sizes) - start >= least:
                at.append(start)
        at.append(sum(sizes))
        result.append(tuple(b - a for a, b in pairwise(at)))
    return result[0], result[1]


def rechunked(image: da.Array, chunks: Chunks) -> da.Array:
    """The image in those rows and columns."""
    new = {image.ndim - 2: chunks[0], image.ndim - 1: chunks[1]}
    return image.rechunk(new, method="tasks")


def halved(chunks: Chunks, *, up: bool = False) -> Chunks:
    """Chunks of the image at half its size; ``up``: that has a row or column for an odd one."""
    rows, cols = (tuple((size + up) // 2 for size in sizes) for sizes in chunks)
    return rows, cols


class Colours:
    """A Dask image as planes (..., planes, height, width) scaled to [0, 1], and back."""

    def __init__(
        self,
        name: str,
        image: da.Array,
        channel_axis: int | None,
        data_range: DataRange,
        *,
        sigma: float,
        response: Response = (0.0, 1.0),
        backend: BackendName | None,
        model: PatchModel,
        stack: bool,
    ) -> None:
        if not isinstance(image, da.Array):
            raise TypeError(f"{name} must be a dask.array.Array, got {type(image).__name__}")
        if any(np.isnan(size) for size in image.shape):
            raise ValueError(f"{name} must have known chunk sizes, got shape {image.shape}")
        stand_in = np.broadcast_to(np.zeros((), image.dtype), image.shape)
        check_image(stand_in, channel_axis, name, stack=check_flag("stack", stack))
        self.dtype, self.axis = image.dtype, channel_axis
        moved = image[..., None, :, :]
        if channel_axis is not None:
            moved = da.moveaxis(image, channel_axis, -3)
        moved = moved.rechunk({moved.ndim - 3: -1})
        self.data_range, given = range_of(name, moved, data_range, sigma, response)
        self.level = check_level(sigma, self.data_range)
        self.mix = planes_for(moved.shape[-3], model)
        dtype = get_backend(check_backend(backend)).dtype
        self.conversion = Conversion(self.mix, self.data_range, dtype)
        self.planes: da.Array = moved.map_blocks(
            _split,
            name=None,
            label=name,
            given=given,
            sigma=float(sigma),
            response=response,
            conversion=self.conversion,
            dtype=dtype,
        )

    def join(self, planes: da.Array, chunks: Any) -> da.Array:
        """The image of planes, in the chunks of the image that was given where it can be."""
        image = planes.map_blocks(
            _join, conversion=self.conversion, kind=self.dtype, dtype=self.dtype
        )
        image = image[..., 0, :, :] if self.axis is None else da.moveaxis(image, -3, self.axis)
        return image.rechunk(chunks, method="tasks")


def _split(
    block: NDArray[Any],
    *,
    label: str,
    given: float | None,
    sigma: float,
    response: Response,
    conversion: Conversion,
) -> FloatArray:
    """Planes of the channels of a block."""
    result = np.empty(block.shape, conversion.dtype)
    block = as_array(label, block)
    if block.size:
        source = np.moveaxis(block, -3, -1)
        check_intensities(source, given, label, sigma=sigma, response=response)
    for index in np.ndindex(block.shape[:-3]):
        source = np.moveaxis(block[index], 0, -1)
        for c, plane in enumerate(result[index]):
            conversion.split(source, (c,), plane)
    return result


def _join(block: FloatArray, conversion: Conversion, kind: np.dtype[Any]) -> NDArray[Any]:
    """Channels of the planes of a block."""
    result = np.empty(block.shape, kind)
    for index in np.ndindex(block.shape[:-3]):
        conversion.join(list(block[index]), np.moveaxis(result[index], 0, -1))
    return result


def range_of(
    name: str, planes: da.Array, data_range: DataRange, sigma: float, response: Response
) -> tuple[float, float | None]:
    """Step from black to white of (..., channels, height, width), and what blocks are told of it.

    That is None where it stands for floats in [0, 1], which each block is then asked to be.
    """
    given, kind = check_data_range(data_range), planes.dtype
    if given == "auto":
        source = da.moveaxis(planes, -3, -1)
        extremes = source.min(), source.max()
        low, high, sample = dask.compute(*extremes, sample_of(source))
        values = Values(name, as_array(name, sample), float(low), float(high), sigma, response)
        given = values.auto_range()
    if given is not None:
        return given, given
    if kind.kind == "f":
        return 1.0, None
    if kind.name not in ("uint8", "uint16"):
        raise ValueError(f"data_range must be given for the {name} of {kind}, got None")
    return float(np.iinfo(kind).max), float(np.iinfo(kind).max)


def check_level(sigma: float, data_range: float) -> float:
    """Return the noise level in units of the data range; it must be one number."""
    if sigma is None:
        raise TypeError(
            "sigma must be a real number, got None: it cannot be estimated from blocks; "
            "fastepll.estimate_sigma takes a part of the image"
        )
    level = scale_sigma(check_sigma(sigma), data_range)
    if not isinstance(level, float):
        raise ValueError(f"sigma must be one number, got an array of shape {np.shape(sigma)}")
    return level


def for_workers(model: Model) -> tuple[PatchModel, Any]:
    """The mixture, and what tells it to workers: a name, or one task that all others share."""
    mixture = check_model(model)
    known = isinstance(model, str) and "." not in model and load_model(model) is mixture
    return mixture, model if known else dask.delayed(mixture, traverse=False)
