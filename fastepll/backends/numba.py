"""The prior pass compiled by numba in float32: the fallback where the native core is absent.

Same mathematics as `fastepll.backends.reference`. Patches are taken in blocks of 8 x 8 positions,
one lane each, in the coordinates of `fastepll.backends._triangular`. Components are visited with
those chosen in the block before first, and each is left as soon as its bound excludes it in all
lanes, so the maximum over components stays exact.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

import numba
import numpy as np
from numpy.typing import NDArray

from fastepll.backends._triangular import STEP, Float32, Tables, prepare, shared_axes
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture

Function = TypeVar("Function", bound=Callable[..., object])

SIDE = 8  # a block is SIDE x SIDE patch positions
LANES = SIDE * SIDE
TILE_BLOCKS = 32  # blocks in a tile, at most
TILE_WORK = 1 << 31  # multiplications in a tile, about: some tenths of a second at worst
N_KEPT = 8  # noise levels of a model whose tables are kept
KEPT_BYTES = 1 << 25  # tables above this size are not kept (200 8x8 components: 5 MB)


class Block(NamedTuple):
    """A block of patches, lane by lane, and room to work on them."""

    corners: IntArray  # (2, lanes): row and column of the top-left pixel
    mean: Float32  # (lanes,)
    patches: Float32  # (d, lanes): mean-free, padded by zeros
    x: Float32  # (q, lanes): coordinates, padded by zeros
    norms: Float32  # (q / STEP, lanes): of the coordinates from each group of STEP on
    y: Float32  # (4, lanes): four rows of W times x
    distance: Float32  # (lanes,): over the rows of W done so far
    best: Float32  # (lanes,): twice the highest score so far
    chosen: IntArray  # (lanes,): its component


def jit(function: Function) -> Function:
    """Compile without the GIL; keep the result on disk where a folder can be written."""
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}}
    try:
        return cast("Function", numba.njit(cache=True, **options)(function))
    except RuntimeError:
        return cast("Function", numba.njit(**options)(function))


@jit
def extract(image: Float32, shape: tuple[int, int], block: Block) -> None:
    """Fill in the patches at the corners, and their means."""
    p, q = shape
    for n in range(LANES):
        i, j = block.corners[0, n], block.corners[1, n]
        total = 0.0
        for a in range(p):
            for b in range(q):
                total += image[i + a, j + b]
        mean = total / (p * q)
        block.mean[n] = mean
        for a in range(p):
            for b in range(q):
                block.patches[a * q + b, n] = image[i + a, j + b] - mean


@jit
def four_rows(w: Float32, x: Float32, y: Float32) -> None:
    """Y = w x for four rows w of an even number of columns."""
    y[:] = 0
    for j in range(0, w.shape[1], 2):
        a0, b0, c0, d0 = w[0, j], w[1, j], w[2, j], w[3, j]
        a1, b1, c1, d1 = w[0, j + 1], w[1, j + 1], w[2, j + 1], w[3, j + 1]
        for n in range(LANES):
            x0, x1 = x[j, n], x[j + 1, n]
            y[0, n] = y[0, n] + a0 * x0 + a1 * x1
            y[1, n] = y[1, n] + b0 * x0 + b1 * x1
            y[2, n] = y[2, n] + c0 * x0 + c1 * x1
            y[3, n] = y[3, n] + d0 * x0 + d1 * x1


@jit
def project(basis: Float32, block: Block) -> None:
    """Coordinates of the patches, and the norms of what is left of them at each group."""
    x, square = block.x, block.distance
    for i in range(0, len(x), 4):
        four_rows(basis[i : i + 4], block.patches, x[i : i + 4])
    square[:] = 0
    for i in range(len(x) - 1, -1, -1):
        for n in range(LANES):
            square[n] += x[i, n] * x[i, n]
            if i % STEP == 0:
                block.norms[i // STEP, n] = np.sqrt(square[n])


@jit
def excluded(t: Tables, block: Block, k: int, g: int) -> bool:
    """Whether component k cannot win in any lane, by its distance up to group g and the bound."""
    tail, leak, peak = t.tail[k, g], t.leak[k, g], t.peak[k]
    norm, distance, best = block.norms[g], block.distance, block.best
    count = 0
    for n in range(LANES):
        rest = tail * norm[n] - leak * np.sqrt(distance[n])
        rest = rest if rest > 0 else np.float32(0)
        count += peak - distance[n] - rest * rest >= best[n]
    return count == 0


@jit
def select(t: Tables, block: Block, order: IntArray) -> None:
    """Choose the component of highest score in each lane, of equals the first."""
    distance, y, best, chosen = block.distance, block.y, block.best, block.chosen
    best[:] = -np.inf
    chosen[:] = order[0]
    for k in order:
        distance[:] = 0
        start = 0
        for g in range(len(block.norms)):
            if excluded(t, block, k, g):
                break
            width = (g + 1) * STEP
            w = t.whiten[k, start : start + STEP * width].reshape(STEP, width)
            start += STEP * width
            for i in range(0, STEP, 4):
                four_rows(w[i : i + 4], block.x, y)
                for n in range(LANES):
                    y0, y1, y2, y3 = y[0, n], y[1, n], y[2, n], y[3, n]
                    distance[n] = distance[n] + y0 * y0 + y1 * y1 + y2 * y2 + y3 * y3
        else:
            for n in range(LANES):
                score = t.peak[k] - distance[n]
                if score > best[n] or (score == best[n] and k < chosen[n]):
                    best[n] = score
                    chosen[n] = k


@jit
def to_front(order: IntArray, chosen: IntArray) -> IntArray:
    """Order of the components with the chosen ones moved to the front: the next block is alike."""
    result = np.empty(len(order), np.int32)
    seen = np.zeros(len(order), np.bool_)
    count = 0
    for ks in (chosen, order):
        for k in ks:
            if not seen[k]:
                seen[k] = True
                result[count] = k
                count += 1
    return result


@jit
def wiener(gain: Float32, patch: Float32, estimate: Float32) -> None:
    """Estimate = gain patch, for a symmetric gain (d, d)."""
    d = len(estimate)
    estimate[:] = 0
    for j in range(0, d - 3, 4):
        z0, z1, z2, z3 = patch[j], patch[j + 1], patch[j + 2], patch[j + 3]
        a0, a1, a2, a3 = gain[j], gain[j + 1], gain[j + 2], gain[j + 3]
        for i in range(d):
            estimate[i] = estimate[i] + z0 * a0[i] + z1 * a1[i] + z2 * a2[i] + z3 * a3[i]
    for j in range(d // 4 * 4, d):
        for i in range(d):
            estimate[i] += patch[j] * gain[j, i]


@jit
def tile(
    image: Float32, shape: tuple[int, int], t: Tables, place: tuple[int, int, int]
) -> tuple[IntArray, Float32]:
    """One pass for SIDE rows of ``width`` patch positions: ``place`` is (top, left, width).

    Returns the chosen components and, per pixel, the sum of the patch estimates.
    """
    p, q = shape
    top, left, width = place
    height = min(SIDE, image.shape[0] - p + 1 - top)
    choice = np.empty((height, width), np.int32)
    total = np.zeros((height + p - 1, width + q - 1), np.float32)
    order = t.order
    estimate = np.empty(p * q, np.float32)
    size = len(t.basis)
    block = Block(
        np.empty((2, LANES), np.int32),
        np.empty(LANES, np.float32),
        np.zeros((t.basis.shape[1], LANES), np.float32),
        np.empty((size, LANES), np.float32),
        np.empty((size // STEP, LANES), np.float32),
        np.empty((4, LANES), np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.int32),
    )
    for start in range(0, width, SIDE):
        for n in range(LANES):  # lanes beyond the edge repeat the last row or column
            block.corners[0, n] = top + min(n // SIDE, height - 1)
            block.corners[1, n] = left + min(start + n % SIDE, width - 1)
        extract(image, shape, block)
        project(t.basis, block)
        select(t, block, order)
        order = to_front(order, block.chosen)
        for n in range(LANES):
            i, j = n // SIDE, start + n % SIDE
            if i < height and j < width:
                choice[i, j] = block.chosen[n]
                wiener(t.gain[block.chosen[n]], block.patches[:, n], estimate)
                for a in range(p):
                    for b in range(q):
                        total[i + a, j + b] += estimate[a * q + b] + block.mean[n]
    return choice, total


class Kept(NamedTuple):
    """What is remembered of a model: its axes, and tables by noise variance, oldest first."""

    axes: NDArray[np.float64]
    tables: dict[float, Tables]


class NumbaBackend:
    """Float32, compiled when first called (seconds, then kept on disk where numba can)."""

    name: BackendName = "numba"
    dtype = np.float32

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[GaussianMixture, Kept] = WeakKeyDictionary()

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        noise_var: float,
        *,
        n_threads: int,
        poll: Poll | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        p, q = model.patch_shape[:2]
        result = np.zeros(image.shape, np.float32)
        with closing(self._tiles(image, model, noise_var, n_threads)) as tiles:
            for i, j, _, total in tiles:
                height, width = total.shape
                result[i : i + height, j : j + width] += total
                if poll is not None:
                    poll((i + height) / len(image))
        rows = np.convolve(np.ones(image.shape[0] - p + 1), np.ones(p))
        cols = np.convolve(np.ones(image.shape[1] - q + 1), np.ones(q))
        result /= rows.astype(np.float32)[:, None]
        result /= cols.astype(np.float32)
        return result

    def select(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        p, q = model.patch_shape[:2]
        result = np.empty((image.shape[0] - p + 1, image.shape[1] - q + 1), np.int32)
        with closing(self._tiles(image, model, noise_var, n_threads)) as tiles:
            for i, j, choice, _ in tiles:
                result[i : i + choice.shape[0], j : j + choice.shape[1]] = choice
        return result

    def _tiles(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, n_threads: int
    ) -> Generator[tuple[int, int, IntArray, Float32], None, None]:
        """Top, left, chosen components and summed estimates of every tile, in row-major order.

        Python threads run the tiles (numba's own would fix the number of threads per process, end
        the process on a fork and keep Ctrl-C waiting); a few are in flight, so memory is bounded.
        """
        p, q = model.patch_shape[:2]
        n_rows, n_cols = image.shape[0] - p + 1, image.shape[1] - q + 1
        tables = self._tables(model, noise_var, n_threads)
        pixels = np.require(image, np.float32, ["C", "A", "W"])  # one type, so one compilation
        n_blocks = min(TILE_BLOCKS, max(1, TILE_WORK // (LANES * tables.whiten.size)))
        step = n_blocks * SIDE
        pool = ThreadPoolExecutor(n_threads)
        flying: deque[tuple[int, int, Future[tuple[IntArray, Float32]]]] = deque()
        try:
            for i, j in product(range(0, n_rows, SIDE), range(0, n_cols, step)):
                place = (i, j, min(step, n_cols - j))
                flying.append((i, j, pool.submit(tile, pixels, (p, q), tables, place)))
                if len(flying) > 2 * n_threads:
                    a, b, done = flying.popleft()
                    yield (a, b, *done.result())
            for a, b, done in flying:
                yield (a, b, *done.result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _tables(self, model: GaussianMixture, noise_var: float, n_threads: int) -> Tables:
        """`prepare`, or what it gave for one of the last noise levels of the model."""
        with self._lock:
            if model not in self._kept:
                self._kept[model] = Kept(shared_axes(model), {})
            axes, kept = self._kept[model]
            tables = kept.pop(noise_var, None)
        if tables is None:
            tables = prepare(model, axes, noise_var, n_threads)
        with self._lock:
            if sum(table.nbytes for table in tables) <= KEPT_BYTES:
                kept[noise_var] = tables
            while len(kept) > N_KEPT:
                del kept[next(iter(kept))]
        return tables


backend = NumbaBackend()
