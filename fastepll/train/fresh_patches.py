"""Patches of images held in memory, drawn anew for each step of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastepll.train.patches import read_gray


class FreshPatches:
    """Draws gray patches: as `stream_patches` makes them, but in random order and without end.

    Parameters
    ----------
    paths : sequence of Path
        Images, each as likely as another; so are all positions of one.
    patch_shape : (p, q)
    flips : bool
        Mirror each patch up-down and left-right at random, and, if it is square, transpose it.

    Raises
    ------
    ValueError
        No image, or one smaller than a patch.
    """

    def __init__(
        self, paths: Sequence[Path], patch_shape: tuple[int, int], *, flips: bool = True
    ) -> None:
        if not paths:
            raise ValueError("paths must name at least one image")
        images = [read_gray(path).astype(np.uint8) for path in paths]
        self.patch_shape, self.flips = patch_shape, flips
        self._pixels = np.concatenate([image.ravel() for image in images])
        sizes = np.array([image.shape for image in images], np.int64)
        self._begin = np.cumsum([0, *(image.size for image in images[:-1])])
        self._width, self._free = sizes[:, 1], sizes - np.array(patch_shape) + 1
        if self._free.min() < 1:
            raise ValueError(f"images must hold a {patch_shape[0]}x{patch_shape[1]} patch")

    def __call__(self, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        """Draw n dequantised patches without mean, on the [0, 1] scale, (n, p q)."""
        p, q = self.patch_shape
        k = rng.integers(len(self._begin), size=n)
        row, column = rng.integers(self._free[k].T)
        first = self._begin[k] + row * self._width[k] + column
        inside = np.arange(p)[:, None] * self._width[k, None, None] + np.arange(q)
        block = self._pixels[first[:, None, None] + inside]
        if self.flips:
            up, left, turned = rng.random((3, n)) < 0.5
            block[up] = block[up, ::-1]
            block[left] = block[left, :, ::-1]
            if p == q:
                block[turned] = block[turned].transpose(0, 2, 1)
        rows = block.reshape(n, -1) + rng.random((n, p * q), np.float32)
        rows -= rows.mean(axis=1, keepdims=True)
        result: NDArray[np.float32] = rows / np.float32(255)
        return result
