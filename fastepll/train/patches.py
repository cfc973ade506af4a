"""Seeded streaming of mean-free patches from a folder of images (NumPy and Pillow only)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "cut_patches",
    "image_patches",
    "list_images",
    "read_gray",
    "read_rgb",
    "split_images",
    "stream_patches",
]

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff"}
READERS = min(8, os.cpu_count() or 1)  # images read at a time
GRAY_WEIGHTS = (0.298936, 0.587043, 0.114021)


def list_images(folder: str | Path) -> list[Path]:
    """Image files directly inside `folder`, sorted by name.

    Raises
    ------
    ValueError
        If `folder` is not a directory or holds no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"folder must be a directory of images, got {str(folder)!r}")
    paths = sorted(p for p in root.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(
            f"folder must hold images ({', '.join(sorted(SUFFIXES))}), got none in {str(folder)!r}"
        )
    return paths


def read_gray(path: Path, shrink: int = 1) -> NDArray[np.float64]:
    """One image as gray levels 0..255, rounded to 8 bits, shape (h, w)."""
    gray: NDArray[np.float64] = np.rint(read_rgb(path, shrink) @ np.array(GRAY_WEIGHTS))
    return gray


def read_rgb(path: Path, shrink: int = 1) -> NDArray[np.float64]:
    """One image as levels 0..255 of red, green and blue, shape (h, w, 3).

    With `shrink` above 1 a pixel is the mean of a square of that side, rounded to 8 bits; rows and
    columns that fill no square are left out.
    """
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    if shrink == 1:
        return pixels
    rows, cols = (length // shrink for length in pixels.shape[:2])
    squares = pixels[: rows * shrink, : cols * shrink].reshape(rows, shrink, cols, shrink, 3)
    mean: NDArray[np.float64] = np.rint(squares.mean(axis=(1, 3)))
    return mean


def split_images(paths: Sequence[Path], holdout: int, seed: int) -> tuple[list[Path], list[Path]]:
    """Split `paths` at random into those to train on and `holdout` kept for model selection."""
    if not 0 <= holdout < len(paths):
        raise ValueError(f"holdout must be 0..{len(paths) - 1} images, got {holdout}")
    kept = set(np.random.default_rng([seed, 1]).permutation(len(paths))[:holdout].tolist())
    train = [p for i, p in enumerate(paths) if i not in kept]
    return train, [p for i, p in enumerate(paths) if i in kept]


def stream_patches(
    paths: Sequence[Path],
    patch_shape: tuple[int, ...],
    n_patches: int,
    *,
    seed: int = 0,
    draw: int = 0,
    shrink: int = 1,
    detail: float = 0.0,
    dequantise: bool = True,
    flips: bool = False,
    remove_mean: bool = True,
) -> Iterator[NDArray[np.float32]]:
    """Yield `n_patches` mean-free patches, one block per image, always the same for one seed.

    Parameters
    ----------
    paths : sequence of Path
        Images; each gives an equal share of the patches (the first ones one more).
    patch_shape : (p, q) or (p, q, 3)
        Rows and columns of a gray patch, or of one of red, green and blue.
    n_patches : int
        Total count. Positions of one image are distinct until all of them are used.
    seed : int
        Image i draws from ``numpy.random.default_rng([seed, 0, i])``.
    draw : int
        Other patches, independent for every number: where it isn't 0 it is a fourth word of the
        seed.
    shrink : int
        Images are made smaller by this factor first: a pixel is the mean of a square of that side.
    detail : float
        Without it every position is as likely as another. With it one is drawn in proportion to
        the standard deviation of its patch, up to this many gray levels: fewer flat patches.
    dequantise : bool
        Add uniform noise in [0, 1) on the 0..255 scale, which makes the density of 8-bit
        data well defined and keeps every covariance above (1/12)/255².
    flips : bool
        Mirror each patch up-down and left-right at random (positions do not depend on this).
    remove_mean : bool
        Without it patches keep their means.

    Yields
    ------
    (m, d) float32 arrays on the [0, 1] scale, in raster order of their positions. One mean over
    all d values, whatever their channel, is subtracted from each patch, if ``remove_mean``.

    Raises
    ------
    ValueError
        If an image is smaller than a patch.
    """
    share, extra = divmod(n_patches, len(paths))

    def read(i: int) -> NDArray[np.float32]:
        words = [seed, 0, i, draw] if draw else [seed, 0, i]
        rng, count = np.random.default_rng(words), share + (i < extra)
        return image_patches(
            paths[i],
            patch_shape,
            count,
            rng,
            shrink=shrink,
            detail=detail,
            dequantise=dequantise,
            flips=flips,
            remove_mean=remove_mean,
        )

    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(paths), READERS):
            yield from pool.map(read, range(start, min(start + READERS, len(paths))))


def image_patches(
    path: Path,
    patch_shape: tuple[int, ...],
    count: int,
    rng: np.random.Generator,
    *,
    shrink: int = 1,
    detail: float = 0.0,
    dequantise: bool,
    flips: bool,
    remove_mean: bool = True,
) -> NDArray[np.float32]:
    """Patches of one image, (count, d); see `stream_patches`."""
    p, q = patch_shape[:2]
    image = (read_gray if len(patch_shape) == 2 else read_rgb)(path, shrink)
    if image.shape[0] < p or image.shape[1] < q:
        raise ValueError(
            f"images must hold a {p}x{q} patch, {path.name} is {image.shape[0]}x{image.shape[1]}"
        )
    return cut_patches(
        image,
        (p, q),
        count,
        rng,
        detail=detail,
        dequantise=dequantise,
        flips=flips,
        remove_mean=remove_mean,
    )


def cut_patches(
    image: NDArray[np.float64],
    sides: tuple[int, int],
    count: int,
    rng: np.random.Generator,
    *,
    detail: float = 0.0,
    dequantise: bool,
    flips: bool = False,
    remove_mean: bool = True,
) -> NDArray[np.float32]:
    """Patches of an array of levels 0..255, (count, d); see `stream_patches`."""
    p, q = sides
    windows = np.lib.stride_tricks.sliding_window_view(image, (p, q), axis=(0, 1))
    if image.ndim == 3:
        windows = np.moveaxis(windows, 2, -1)
    total = windows.shape[0] * windows.shape[1]
    rounds, rest = divmod(count, total)
    chances = None
    if detail:
        chances = np.minimum(deviations(image, p, q).ravel(), detail) + 1e-3 * detail
        chances /= chances.sum()
    some = rng.choice(total, rest, replace=False, p=chances)
    index = np.sort(np.concatenate([np.tile(np.arange(total), rounds), some]))
    rows, cols = np.divmod(index, windows.shape[1])
    block = windows[rows, cols]
    if flips:
        up, left = rng.random((2, count)) < 0.5
        block[up] = block[up, ::-1]
        block[left] = block[left, :, ::-1]
    block = block.reshape(count, -1)
    if dequantise:
        block = block + rng.random(block.shape)
    if remove_mean:
        block = block - block.mean(axis=1, keepdims=True)
    patches: NDArray[np.float32] = (block / 255.0).astype(np.float32)
    return patches


def deviations(image: NDArray[np.float64], p: int, q: int) -> NDArray[np.float64]:
    """Standard deviation of each p x q window over all its values, (h - p + 1, w - q + 1)."""
    planes = image.reshape(*image.shape[:2], -1)

    def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        windows: NDArray[np.float64] = sums[p:, q:] - sums[:-p, q:] - sums[p:, :-q] + sums[:-p, :-q]
        return windows / (p * q)

    variance = means((planes**2).mean(2)) - means(planes.mean(2)) ** 2
    result: NDArray[np.float64] = np.sqrt(np.maximum(variance, 0))
    return result
