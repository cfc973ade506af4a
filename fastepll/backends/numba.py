"""The prior pass compiled by numba in float32: the fallback where the native core is absent.

Same mathematics as `fastepll.backends.reference`; `fastepll.backends._compiled` has the kernels.
The steps of quality "learned" are those of NumPy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import _structured, _triangular
from fastepll.backends._compiled import LANES, SIDE, Float32, Tables, tile
from fastepll.backends._filters import wiener_matrices
from fastepll.backends._recent import RecentTables
from fastepll.backends._triangular import STEP
from fastepll.backends.diffusion import diffuse
from fastepll.backends.reference import TOP_COMPONENTS, bands, grid, pixel_window
from fastepll.backends.reference import backend as reference
from fastepll.backends.scales import add_coarse, halve
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.backends.passes import Pass
    from fastepll.models import GaussianMixture

Tile = tuple[IntArray, Float32, Float32]

TILE_BLOCKS = 32  # blocks in a tile, at most
TILE_WORK = 1 << 31  # multiplications in a tile, about: some tenths of a second at worst
N_KEPT = 8  # kinds of pass of a model whose tables are kept
KEPT_BYTES = 1 << 25  # tables above this size are not kept (200 8x8 components: 5 MB)


def prepare(
    model: GaussianMixture, axes: NDArray[np.float64], step: Pass, n_threads: int
) -> Tables:
    """Tables for a kind of pass, in the axes (rows) of the mixture."""
    k, d = model.k, model.d
    q, width = (-(-n // STEP) * STEP for n in (d - 1, d))
    basis = np.zeros((q, width), np.float32)
    basis[: d - 1, :d] = axes[1:]
    exact = step.selection == "exact"
    edges = ([], [], []) if exact else bands(step.n_screen, step.n_refine, d - 1)
    stages = [_structured.empty(model, each) for each in edges]
    tables = Tables(
        basis=basis,
        triangular=_triangular.empty(model, step.noise_var, k if exact else 0),
        screen=stages[0],
        middle=stages[1],
        refine=stages[2],
        gain=np.empty((k, d, d), np.float32),
        confidence=np.empty(k, np.float32),
        window=np.outer(
            *(pixel_window(p, step.window_decay) for p in model.patch_shape[:2])
        ).astype(np.float32),
    )

    def fill(i: slice) -> None:
        if exact:
            _triangular.fill(tables.triangular, i, model, step.noise_var, axes)
        for stage in stages:
            if len(stage.edges) > 0:
                _structured.fill(stage, i, model, step.noise_var, axes[1:])
        tables.gain[i], tables.confidence[i] = wiener_matrices(model, i, step)

    parts = max(1, (1 << 18) // d**2)  # components at a time: 2 MB for a float64 matrix of each
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(fill, slice(i, i + parts)) for i in range(0, k, parts)]:
            done.result()
    for stage in stages:  # costs near 0 have more digits
        stage.constant[:] -= stage.constant.min(initial=np.inf)
    return tables


class NumbaBackend:
    """Float32, compiled when first called (seconds, then kept on disk where numba can)."""

    name: BackendName = "numba"
    dtype = np.float32
    log_probs = reference.log_probs
    halve = staticmethod(halve)
    add_coarse = staticmethod(add_coarse)
    diffuse = staticmethod(diffuse)

    def __init__(self) -> None:
        self.recent: RecentTables[Tables] = RecentTables(N_KEPT, KEPT_BYTES)

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        step: Pass,
        *,
        n_threads: int,
        poll: Poll | None = None,
        blend: float = 1.0,
        noisy: FloatArray | None = None,
        out: FloatArray | None = None,
        hints: IntArray | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        rows, cols = grid(image, model, step)
        result = np.empty(image.shape, np.float32) if out is None else out
        result[:] = 0
        planes = result.reshape(-1, *image.shape[-2:])
        weight = np.zeros(planes.shape[1:], np.float32)
        with closing(self._tiles(image, model, step, n_threads)) as tiles:
            for i, j, (_, total, share) in tiles:
                height, width = share.shape
                here = np.s_[rows[i] : rows[i] + height, cols[j] : cols[j] + width]
                planes[(slice(None), *here)] += total
                weight[here] += share
                if poll is not None:
                    poll(float(rows[i] + height) / len(weight))
        result /= weight
        if noisy is not None:
            result *= np.float32(blend)
            result += np.float32(1 - blend) * noisy
        return result

    def select(
        self, image: FloatArray, model: GaussianMixture, step: Pass, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        result = np.empty([len(at) for at in grid(image, model, step)], np.int32)
        with closing(self._tiles(image, model, step, n_threads)) as tiles:
            for i, j, (choice, _, _) in tiles:
                result[i : i + choice.shape[0], j : j + choice.shape[1]] = choice
        return result

    def _tiles(
        self, image: FloatArray, model: GaussianMixture, step: Pass, n_threads: int
    ) -> Generator[tuple[int, int, Tile], None, None]:
        """Tiles in row-major order, and the numbers of their first row and column of the grid.

        Python threads run the tiles (numba's own would fix the number of threads per process, end
        the process on a fork and keep Ctrl-C waiting); a few are in flight, so memory is bounded.
        """
        rows, cols = (at.astype(np.int32) for at in grid(image, model, step))
        tables = self._tables(model, step, n_threads)
        p, q = model.patch_shape[:2]
        pixels = np.require(image, np.float32, ["C", "A", "W"])  # one type, so one compilation
        pixels = pixels.reshape(-1, *image.shape[-2:])
        flat = 2 * (model.d - 1) * float(step.noise_var)
        margins = float(step.margin), float(step.middle_margin)
        kept = (1 if step.estimator == "map" else TOP_COMPONENTS, margins, flat)
        work = LANES * model.k * model.d**2 // 2
        width = SIDE * min(TILE_BLOCKS, max(1, TILE_WORK // work))
        pool = ThreadPoolExecutor(n_threads)
        flying: deque[tuple[int, int, Future[Tile]]] = deque()
        try:
            for i in range(0, len(rows), SIDE):
                for j in range(0, len(cols), width):
                    at = rows[i : i + SIDE], cols[j : j + width]
                    flying.append((i, j, pool.submit(tile, pixels, (p, q), tables, at, kept)))
                    if len(flying) > 2 * n_threads:
                        a, b, done = flying.popleft()
                        yield a, b, done.result()
            for a, b, done in flying:
                yield a, b, done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _tables(self, model: GaussianMixture, step: Pass, n_threads: int) -> Tables:
        """`prepare`, or what it gave before."""
        return self.recent.get(
            model, step, lambda axes, kind: prepare(model, axes, kind, n_threads)
        )


backend = NumbaBackend()
