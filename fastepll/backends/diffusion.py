"""A step of a trained reaction diffusion, in NumPy: the definition of what the core computes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastepll.models.diffusion import DiffusionStep
from fastepll.typing import FloatArray, Poll

ROWS = 16  # of patches at a time, so that temporaries stay small


def diffuse(
    image: FloatArray,
    noisy: FloatArray,
    step: DiffusionStep,
    out: FloatArray,
    *,
    origin: tuple[int, int] = (0, 0),
    n_threads: int = 1,
    poll: Poll | None = None,
) -> FloatArray:
    """Image + mean over the patches that cover a pixel of their changes + reaction (noisy - image).

    Of a guided step ``noisy`` is the guide, and reaction 0. Planes (height, width) of one dtype, at
    least as large as a patch; ``out``, which is returned, is neither of the inputs. Of a part of an
    image that begins at ``origin``, the pixels that all patches of the whole cover are the whole's,
    in the core bit for bit. On one thread.
    """
    del origin, n_threads
    dtype = image.dtype.type
    analysis, synthesis = step.analysis.astype(dtype).T, step.synthesis.astype(dtype).T
    values, sums = step.values.astype(dtype), np.zeros_like(image)
    for top, features in strips(image, noisy, step):
        found, _ = influences(features @ analysis, values, step.reach)
        add_patches(sums, top, found @ synthesis, step.patch_shape)
        if poll is not None:
            poll(min((top + ROWS) / len(image), 0.999))
    np.divide(sums, counts(image.shape, step.patch_shape).astype(dtype), out=out)
    out += image
    out += dtype(step.reaction) * (noisy - image)
    return out


def strips(
    image: FloatArray, noisy: FloatArray, step: DiffusionStep
) -> Iterator[tuple[int, FloatArray]]:
    """The first row of some rows of patches, and their values (n, 2 d).

    Of the image without the first value of the patch, and of the noisy image less it, or the guide.
    """
    shape, second = step.patch_shape, noisy if step.guided else noisy - image
    patches, rest = (sliding_window_view(plane, shape) for plane in (image, second))
    for top in range(0, len(patches), ROWS):
        own, other = (
            each[top : top + ROWS].reshape(-1, shape[0] * shape[1]) for each in (patches, rest)
        )
        yield top, np.concatenate([own - own[:, :1], other], 1)


def influences(
    responses: FloatArray, values: FloatArray, reach: float
) -> tuple[FloatArray, FloatArray]:
    """Each function (n, k) of its column of responses (m, n), and its slope there."""
    n, k = values.shape
    knots = responses.dtype.type((k - 1) / (2 * reach))
    place = (responses + responses.dtype.type(reach)) * knots
    knot, column = np.clip(place, 0, k - 2).astype(np.intp), np.arange(n)
    low = values[column, knot]
    rise = values[column, knot + 1] - low
    return low + (place - knot) * rise, knots * rise


def add_patches(target: FloatArray, top: int, patches: FloatArray, shape: tuple[int, int]) -> None:
    """Add rows of patches (n, d), of which the first begins at row ``top``, to what they cover."""
    cols = target.shape[1] - shape[1] + 1
    pixels = patches.reshape(-1, cols, *shape)
    for i, j in np.ndindex(shape):
        target[top + i : top + i + len(pixels), j : j + cols] += pixels[:, :, i, j]


def counts(shape: tuple[int, ...], patch: tuple[int, int]) -> NDArray[np.float64]:
    """How many patches cover each pixel."""
    rows, cols = (
        np.minimum(np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)), min(p, n - p + 1))
        for n, p in zip(shape, patch, strict=True)
    )
    return np.outer(rows, cols).astype(np.float64)
