"""Dead-leaves images: disks of random size and gray that hide each other, and patches of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import Array

DISKS = 1024  # drawn together
PIXELS = 2**20  # of disks, worked on together


def dead_leaves(
    shape: tuple[int, int],
    *,
    rng: np.random.Generator | int,
    r_min: float = 1.0,
    r_max: float = 100.0,
    exponent: float = 3.0,
    levels: ArrayLike | None = None,
    supersample: int = 1,
) -> Array:
    """Draw an image of disks that fell on each other, seen from above.

    Disks are drawn from the front to the back until they cover all pixels, so the image is a sample
    of the stationary model. The centres are a uniform process on the whole plane, the density of
    the radii is proportional to r to the power -exponent on [r_min, r_max]; 3 makes images whose
    statistics do not depend on the scale between the two.

    Parameters
    ----------
    shape : (height, width)
        In pixels.
    rng : numpy.random.Generator or int
        A generator, or the seed of one.
    r_min, r_max : float
        Pixels, 0 < r_min < r_max. Time grows as r_min falls: small disks cover slowly.
    exponent : float
        Of the radii, >= 0.
    levels : array_like, optional
        Intensities to draw from. Default: uniform in [0, 1].
    supersample : int
        Pixels are means of this many squared points, 1 to 16: 1 has jagged edges, 4 smooth ones.

    Returns
    -------
    numpy.ndarray
        (height, width), float64.

    References
    ----------
    A. Lee, D. Mumford, J. Huang, Occlusion models for natural images: a statistical study of a
    scale-invariant dead leaves model, International Journal of Computer Vision 41, 2001.

    Examples
    --------
    >>> from fastepll.priors.dead_leaves import dead_leaves
    >>> image = dead_leaves((32, 48), rng=0, r_max=20)
    >>> image.shape, bool(0 <= image.min() <= image.max() <= 1)
    ((32, 48), True)
    """
    size = tuple(shape)
    if len(size) != 2 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in size):
        raise ValueError(f"shape must be (height, width), got {shape}")
    if not 0 < r_min < r_max < np.inf:
        raise ValueError(f"r_min and r_max must be 0 < r_min < r_max, got {r_min} and {r_max}")
    if not 0 <= exponent < np.inf:
        raise ValueError(f"exponent must be finite and >= 0, got {exponent}")
    if not isinstance(supersample, (int, np.integer)) or not 1 <= supersample <= 16:
        raise ValueError(f"supersample must be an integer from 1 to 16, got {supersample!r}")
    grays = None if levels is None else model_arrays.real_array("levels", levels)
    if grays is not None and (grays.ndim != 1 or not len(grays)):
        raise ValueError(f"levels must have shape (n,), n >= 1, got {grays.shape}")
    generator = model_arrays.check_draw(1, rng)[1]
    k = int(supersample)
    height, width = k * size[0], k * size[1]
    image = np.full(height * width, np.nan)
    bare = np.arange(height * width)
    while len(bare):
        disks = _disks(generator, (height, width), (k * r_min, k * r_max), exponent)
        gray = generator.random(DISKS) if grays is None else generator.choice(grays, DISKS)
        cost = np.minimum((2 * disks[0] + 1) ** 2, height * width)
        for group in np.split(np.arange(DISKS), _stops(cost)):
            few = len(bare) * len(group) < cost[group].sum()
            found = (
                _hits(disks[:, group], bare, width)
                if few
                else _inside(disks[:, group], width, height)
            )
            pixel, disk = found
            free = np.isnan(image[pixel])
            # Of several disks on a pixel the first hides the others: assign it last.
            image[pixel[free][::-1]] = gray[group[disk[free][::-1]]]
        bare = bare[np.isnan(image[bare])]
    return np.asarray(image.reshape(size[0], k, size[1], k).mean(axis=(1, 3)))


def dead_leaves_patches(
    n: int,
    patch_shape: Sequence[int] = (8, 8),
    *,
    rng: np.random.Generator | int,
    image_shape: tuple[int, int] = (256, 256),
    per_image: int = 2000,
    dequantise: bool = True,
    remove_mean: bool = True,
    r_min: float = 1.0,
    r_max: float = 100.0,
    exponent: float = 3.0,
    levels: ArrayLike | None = None,
    supersample: int = 1,
) -> NDArray[np.float64]:
    """Patches (n, d) of dead-leaves images, on the [0, 1] scale.

    Parameters
    ----------
    n : int
        Patches, >= 1.
    patch_shape : (p, q)
        Rows and columns.
    rng : numpy.random.Generator or int
        A generator, or the seed of one.
    image_shape, per_image
        Size of the images that patches are cut from, and how many of each, at random positions.
    dequantise : bool
        Round intensities to 8 bits and add uniform noise of one level, as `stream_patches` has
        photographs: patches within a disk have a density then.
    remove_mean : bool
        Subtract the mean of each patch.
    r_min, r_max, exponent, levels, supersample
        As for `dead_leaves`.

    Examples
    --------
    >>> from fastepll.priors.dead_leaves import dead_leaves_patches
    >>> dead_leaves_patches(100, rng=0, image_shape=(64, 64), r_max=20).shape
    (100, 64)
    """
    count, generator = model_arrays.check_draw(n, rng)
    p, q = patch_shape
    if p > image_shape[0] or q > image_shape[1]:
        raise ValueError(f"image_shape must hold a {p}x{q} patch, got {image_shape}")
    if count < 1 or per_image < 1:
        raise ValueError(f"n and per_image must be at least 1, got {n} and {per_image}")
    result = np.empty((count, p * q))
    for start in range(0, count, per_image):
        image = dead_leaves(
            image_shape,
            rng=generator,
            r_min=r_min,
            r_max=r_max,
            exponent=exponent,
            levels=levels,
            supersample=supersample,
        )
        windows = np.lib.stride_tricks.sliding_window_view(image, (p, q))
        part = result[start : start + per_image]
        rows, columns = (generator.integers(end, size=len(part)) for end in windows.shape[:2])
        part[:] = windows[rows, columns].reshape(len(part), -1)
    if dequantise:
        result = (np.rint(255 * result) + generator.random(result.shape)) / 255
    if remove_mean:
        result -= result.mean(axis=1, keepdims=True)
    return result


def radii(rng: np.random.Generator, n: int, r_min: float, r_max: float, exponent: float) -> Array:
    """Radii (n,) of density proportional to r^-exponent on [r_min, r_max]."""
    u, power = rng.random(n), 1 - exponent
    if abs(power) < 1e-9:
        return np.asarray(r_min * (r_max / r_min) ** u)
    low, high = 1.0, (r_max / r_min) ** power
    return np.asarray(r_min * (low + u * (high - low)) ** (1 / power))


def _disks(
    rng: np.random.Generator,
    shape: tuple[int, int],
    limits: tuple[float, float],
    exponent: float,
) -> Array:
    """Radii, rows and columns (3, n) of `DISKS` disks that may touch the image, front to back.

    A disk of the plane touches the box of the image widened by its radius with a probability
    proportional to the area of that box: rejection leaves such disks.
    """
    height, width = shape
    widest = (height + 2 * limits[1]) * (width + 2 * limits[1])
    kept: list[Array] = []
    while sum(map(len, kept)) < DISKS:
        radius = radii(rng, DISKS, *limits, exponent)
        area = (height + 2 * radius) * (width + 2 * radius)
        kept.append(radius[rng.random(DISKS) * widest < area])
    radius = np.concatenate(kept)[:DISKS]
    row, column = ((n + 2 * radius) * rng.random(DISKS) - radius - 0.5 for n in shape)
    return np.stack([radius, row, column])


def _stops(cost: Array) -> NDArray[np.intp]:
    """Where to split disks into groups of about `PIXELS` pixels."""
    return np.flatnonzero(np.diff(np.cumsum(cost) // PIXELS)) + 1


def _hits(
    disks: Array, bare: NDArray[np.intp], width: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of few pixels are in which disks, in the order of the disks."""
    radius, row, column = disks[:, :, None]
    y, x = np.divmod(bare, width)
    disk, place = np.nonzero((y - row) ** 2 + (x - column) ** 2 <= radius**2)
    return bare[place], disk


def _inside(disks: Array, width: int, height: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pixels inside disks and the disks they are in, in the order of the disks."""
    radius, row, column = disks
    top, bottom = _span(row, radius, height)
    left, right = _span(column, radius, width)
    high, wide = np.maximum(bottom - top, 0), np.maximum(right - left, 0)
    counts = high * wide
    disk = np.repeat(np.arange(len(radius)), counts)
    place = np.arange(len(disk)) - np.repeat(np.cumsum(counts) - counts, counts)
    down, across = np.divmod(place, wide[disk])
    y, x = top[disk] + down, left[disk] + across
    inside = (y - row[disk]) ** 2 + (x - column[disk]) ** 2 <= radius[disk] ** 2
    return (y * width + x)[inside], disk[inside]


def _span(centre: Array, radius: Array, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First pixel of the disks' boxes in an image of that size, and the one after the last."""
    first = np.ceil(np.maximum(centre - radius, 0)).astype(np.intp)
    stop = np.floor(np.minimum(centre + radius, size - 1)).astype(np.intp) + 1
    return first, stop
