"""Seeded streaming of mean-free gray patches from a folder of images (NumPy and Pillow only)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["dct_basis", "list_images", "read_gray", "split_images", "stream_patches"]

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff"}
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


def read_gray(path: Path) -> NDArray[np.float64]:
    """One image as gray levels 0..255, rounded to 8 bits, shape (h, w)."""
    from PIL import Image

    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"), dtype=np.float64)
    gray: NDArray[np.float64] = np.rint(rgb @ np.array(GRAY_WEIGHTS))
    return gray


def split_images(paths: Sequence[Path], holdout: int, seed: int) -> tuple[list[Path], list[Path]]:
    """Split `paths` at random into those to train on and `holdout` kept for model selection."""
    if not 0 <= holdout < len(paths):
        raise ValueError(f"holdout must be 0..{len(paths) - 1} images, got {holdout}")
    kept = set(np.random.default_rng([seed, 1]).permutation(len(paths))[:holdout].tolist())
    train = [p for i, p in enumerate(paths) if i not in kept]
    return train, [p for i, p in enumerate(paths) if i in kept]


def stream_patches(
    paths: Sequence[Path],
    patch_shape: tuple[int, int],
    n_patches: int,
    *,
    seed: int = 0,
    dequantise: bool = True,
    flips: bool = False,
) -> Iterator[NDArray[np.float32]]:
    """Yield `n_patches` mean-free patches, one block per image, always the same for one seed.

    Parameters
    ----------
    paths : sequence of Path
        Images; each gives an equal share of the patches (the first ones one more).
    patch_shape : (p, q)
        Rows and columns of a patch.
    n_patches : int
        Total count. Positions of one image are distinct until all of them are used.
    seed : int
        Image i draws from ``numpy.random.default_rng([seed, 0, i])``.
    dequantise : bool
        Add uniform noise in [0, 1) on the 0..255 scale, which makes the density of 8-bit
        data well defined and keeps every covariance above (1/12)/255².
    flips : bool
        Mirror each patch up-down and left-right at random (positions do not depend on this).

    Yields
    ------
    (m, p * q) float32 arrays on the [0, 1] scale, in raster order of their positions.

    Raises
    ------
    ValueError
        If an image is smaller than a patch.
    """
    p, q = patch_shape
    share, extra = divmod(n_patches, len(paths))
    for i, path in enumerate(paths):
        image = read_gray(path)
        if image.shape[0] < p or image.shape[1] < q:
            raise ValueError(
                f"images must hold a {p}x{q} patch, {path.name} is "
                f"{image.shape[0]}x{image.shape[1]}"
            )
        rng = np.random.default_rng([seed, 0, i])
        windows = np.lib.stride_tricks.sliding_window_view(image, (p, q))
        count, total = share + (i < extra), windows.shape[0] * windows.shape[1]
        rounds, rest = divmod(count, total)
        index = np.sort(
            np.concatenate(
                [np.tile(np.arange(total), rounds), rng.choice(total, rest, replace=False)]
            )
        )
        rows, cols = np.divmod(index, windows.shape[1])
        block = windows[rows, cols]
        if flips:
            up, left = rng.random((2, count)) < 0.5
            block[up] = block[up, ::-1]
            block[left] = block[left, :, ::-1]
        block = block.reshape(count, p * q)
        if dequantise:
            block = block + rng.random(block.shape)
        block = (block - block.mean(axis=1, keepdims=True)) / 255.0
        yield block.astype(np.float32)


def dct_basis(patch_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Orthonormal 2-D cosine basis of mean-free patches, shape (p * q, p * q - 1).

    Training runs in these coordinates: the mean is gone and the remaining directions are nearly
    uncorrelated for natural images, which keeps float32 products accurate.

    Examples
    --------
    >>> basis = dct_basis((3, 4))
    >>> bool(np.allclose(basis.T @ basis, np.eye(11))) and bool(np.allclose(basis.sum(0), 0))
    True
    """

    def cosines(n: int) -> NDArray[np.float64]:
        wave = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n)
        unit: NDArray[np.float64] = wave / np.sqrt((wave**2).sum(axis=1, keepdims=True))
        return unit

    rows, columns = (cosines(n) for n in patch_shape)
    return np.ascontiguousarray(np.kron(rows, columns).T[:, 1:], dtype=np.float64)
