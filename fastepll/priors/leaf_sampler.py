"""Samples of the mini dead-leaves model: one product per split, in blocks that threads share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastepll._threads import resolve_threads

if TYPE_CHECKING:
    from fastepll.priors.mini_dead_leaves import MiniDeadLeaves

BLOCK = 65536  # patches drawn together, with a seed of their own
ALONE = 2**18  # products of so few numbers OpenBLAS makes in one thread, with the same rounding
ROWS = 512  # of normal numbers, which stay in cache while they are made


def factors(prior: MiniDeadLeaves) -> NDArray[np.float32]:
    """(m, d + 1, d): what d + 1 normal numbers are multiplied by, given a split.

    One for each pixel makes the textures, the last the difference of the levels.
    """
    m, d = prior.masks.shape
    texture = prior.basis @ prior.covariance @ prior.basis.T
    result = np.zeros((m, d + 1, d))
    for k, mask in enumerate(prior.masks):
        for side in (np.flatnonzero(mask), np.flatnonzero(mask == 0)):
            if len(side) == d:  # the texture has no variance along the constant patch
                root = prior.basis @ np.linalg.cholesky(prior.covariance)
                result[k, : d - 1] = root.T
            else:
                part = np.ix_(side, side)
                result[k][part] = np.linalg.cholesky(texture[part]).T
        result[k, d] = np.sqrt(2 * prior.level_variance[0]) * mask
    result -= result.mean(axis=2, keepdims=True)
    return result.astype(np.float32)


def draw(
    prior: MiniDeadLeaves,
    n: int,
    rng: np.random.Generator,
    dtype: np.dtype[Any],
    n_threads: int | None,
) -> NDArray[Any]:
    """Patches (n, d); see `MiniDeadLeaves.sample`."""
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    table = prior._factors
    key = rng.integers(2**63, size=2).tolist()
    result = np.empty((n, prior.d), dtype)
    blocks = range(0, n, BLOCK)
    threads = min(resolve_threads(n_threads), len(blocks))

    def work(thread: int) -> None:
        size = min(n, BLOCK)
        scratch = (np.empty((size, prior.d + 1), np.float32), np.empty((size, prior.d), np.float32))
        for start in blocks[thread::threads]:
            seed = np.random.SeedSequence([*key, start // BLOCK])
            generator = np.random.Generator(np.random.SFC64(seed))
            _fill(prior, table, generator, result[start : start + BLOCK], scratch)

    if threads == 1:
        work(0)
    elif threads:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    return result


def normals(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Independent normal numbers (n,), by Box & Muller's transform of 32-bit uniform ones.

    In float32 with SIMD this takes half the time of ``rng.standard_normal``.
    """
    half = (n + 1) // 2
    bits = rng.bit_generator.random_raw(half).view(np.uint32)
    radius, angle = bits[::2].astype(np.float32), bits[1::2].astype(np.float32)
    radius += np.float32(0.5)
    radius *= np.float32(2.0**-32)
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle *= np.float32(2 * np.pi * 2.0**-32)
    result = np.empty(2 * half, np.float32)
    np.multiply(np.cos(angle), radius, out=result[:half])
    np.multiply(np.sin(angle), radius, out=result[half:])
    return result[:n]


def _fill(
    prior: MiniDeadLeaves,
    table: NDArray[np.float32],
    rng: np.random.Generator,
    out: NDArray[Any],
    scratch: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    """Draw one block: how many patches of each split, then these, then their order."""
    n, d = out.shape
    normal, product = (array[:n] for array in scratch)
    counts = rng.multinomial(n, prior.mask_weights)
    order = rng.permutation(n)
    split = np.repeat(np.arange(len(counts)), counts)
    cumulative = np.cumsum(prior.scale_weights)[:-1].astype(np.float32)
    choice = np.searchsorted(cumulative, rng.random((2, n), np.float32), side="right")
    size = np.sqrt(prior.scales).astype(np.float32)[choice][:, :, None]
    first = prior.masks > 0
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        part = normal[rows]
        part[:] = normals(rng, part.size).reshape(part.shape)
        part[:, :d] *= np.where(first[split[rows]], size[0, rows], size[1, rows])
    stops, few = np.cumsum(counts), max(1, ALONE // (d * (d + 1)))
    for k in np.flatnonzero(counts):
        for start in range(stops[k] - counts[k], stops[k], few):
            rows = slice(start, min(start + few, stops[k]))
            np.matmul(normal[rows], table[k], out=product[rows])
    for start in range(0, n, ROWS):
        out[start : start + ROWS] = product[order[start : start + ROWS]]
