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

    One for each pixel makes the textures, those of the first side first, and the last the
    difference of the levels.
    """
    m, d = prior.masks.shape
    texture = prior.basis @ prior.covariance @ prior.basis.T
    result = np.zeros((m, d + 1, d))
    for k, mask in enumerate(prior.masks):
        begin = 0
        for side in (np.flatnonzero(mask), np.flatnonzero(mask == 0)):
            if len(side) == d:  # the texture has no variance along the constant patch
                root = prior.basis @ np.linalg.cholesky(prior.covariance)
                result[k, : d - 1] = root.T
            else:
                here = np.arange(begin, begin + len(side))
                root = np.linalg.cholesky(texture[np.ix_(side, side)])
                result[k][np.ix_(here, side)] = root.T
            begin += len(side)
        result[k, d] = np.sqrt(2 * prior.level_variance[0]) * mask
    result -= result.mean(axis=2, keepdims=True)
    return result.astype(np.float32)


def draw(
    prior: MiniDeadLeaves,
    n: int,
    rng: np.random.Generator,
    *,
    dtype: np.dtype[Any],
    out: NDArray[Any] | None,
    n_threads: int | None,
) -> NDArray[Any]:
    """Patches (n, d); see `MiniDeadLeaves.sample`."""
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype}")
    table = prior._factors
    key = rng.integers(2**63, size=2).tolist()
    result = np.empty((n, prior.d), dtype) if out is None else out
    if result.shape != (n, prior.d) or result.dtype != dtype or not result.flags.carray:
        raise ValueError(
            f"out must be C-contiguous of shape {(n, prior.d)} and {dtype}, "
            f"got {result.shape} of {result.dtype}"
        )
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


def fill_normals(out: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Independent normal numbers, by Box & Muller's transform of 32-bit uniform ones.

    In float32 with SIMD this takes half the time of ``rng.standard_normal``.
    """
    half = (out.size + 1) // 2
    bits = rng.bit_generator.random_raw(half).view(np.int32)
    radius, angle = (bits[:half] & 0x7FFFFFFF).astype(np.float32), bits[half:].astype(np.float32)
    radius += np.float32(0.5)
    radius *= np.float32(2.0**-31)
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle *= np.float32(np.pi * 2.0**-31)
    np.multiply(np.cos(angle), radius, out=out[:half])
    np.multiply(np.sin(angle)[: out.size - half], radius[: out.size - half], out=out[half:])


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
    cumulative = np.cumsum(prior.scale_weights)[:-1].astype(np.float32)
    choice = np.searchsorted(cumulative, rng.random((2, n), np.float32), side="right")
    size = np.sqrt(prior.scales).astype(np.float32)[choice][:, :, None]
    ratio = size[1] / size[0]
    border = np.count_nonzero(prior.masks, axis=1)
    for start in range(0, n, ROWS):
        part = normal[start : start + ROWS]
        fill_normals(part.reshape(-1), rng)
        part[:, :d] *= size[0, start : start + ROWS]
    stops, few = np.cumsum(counts), max(1, ALONE // (d * (d + 1)))
    for k in np.flatnonzero(counts):
        for start in range(stops[k] - counts[k], stops[k], few):
            rows = slice(start, min(start + few, stops[k]))
            if border[k] < d:
                normal[rows, border[k] : d] *= ratio[rows]
            np.matmul(normal[rows], table[k], out=product[rows])
    if out.dtype == product.dtype:
        np.take(product, order, axis=0, out=out, mode="clip")
    else:
        out[...] = product[order]
