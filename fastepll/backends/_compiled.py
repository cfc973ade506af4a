"""The kernels of the numba backend: a tile of patches, in blocks of one patch a lane.

Patches are taken in blocks of 8 x 8 positions, in the coordinates of
`fastepll.backends._triangular`. Exact selection visits the components with those chosen in the
block before first and leaves each as soon as its bound excludes it in all lanes: it stays exact.
The cascade computes the screen of all components, and the stages after it of those that a lane
considers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from fastepll.backends._structured import ROWS, Structured
from fastepll.backends._triangular import STEP, Triangular
from fastepll.backends.reference import TOP_MARGIN
from fastepll.typing import IntArray

Float32 = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., object])

SIDE = 8  # a block is SIDE x SIDE patch positions
LANES = SIDE * SIDE


class Tables(NamedTuple):
    """A mixture for one kind of pass, as the compiled code wants it (float32, padded by zeros)."""

    basis: Float32  # (q, d): coordinates from pixels
    triangular: Triangular  # for exact selection, of no components for the cascade
    screen: Structured  # for the cascade, of no components for exact selection
    middle: Structured  # of no components without this stage
    refine: Structured
    gain: Float32  # (k, d, d): Wiener filter on mean-free patches
    confidence: Float32  # (k,): weight of an estimate
    window: Float32  # (p, q): weight of the pixels of a patch


class Block(NamedTuple):
    """A block of patches, lane by lane, and room to work on them."""

    corners: IntArray  # (2, lanes): row and column of the top-left pixel
    mean: Float32  # (lanes,)
    patches: Float32  # (d, lanes): mean-free, padded by zeros
    x: Float32  # (q, lanes): coordinates, padded by zeros
    norms: Float32  # (q / STEP, lanes): of the coordinates from each group of STEP on
    y: Float32  # (4, lanes): four rows of W times x
    distance: Float32  # (lanes,): over the rows of W done so far
    squared_norms: Float32  # (bands, lanes): of the coordinates in each band
    costs: Float32  # (k, lanes): of a stage of the cascade, infinite for those not considered
    best: Float32  # (m, lanes): minus the lowest costs so far, best first
    chosen: IntArray  # (m, lanes): their components


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
    n_channels = len(image)
    for n in range(LANES):
        i, j = block.corners[0, n], block.corners[1, n]
        total = 0.0
        for a in range(p):
            for b in range(q):
                for c in range(n_channels):
                    total += image[c, i + a, j + b]
        mean = total / (p * q * n_channels)
        block.mean[n] = mean
        for a in range(p):
            for b in range(q):
                for c in range(n_channels):
                    value = image[c, i + a, j + b] - mean
                    block.patches[(a * q + b) * n_channels + c, n] = value


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
def keep(block: Block, n: int, k: int, score: float) -> None:
    """Remember component k in lane n if it is among the best so far, of equals the first."""
    best, chosen = block.best, block.chosen
    j = len(best)
    while j > 0 and (score > best[j - 1, n] or (score == best[j - 1, n] and k < chosen[j - 1, n])):
        if j < len(best):
            best[j, n], chosen[j, n] = best[j - 1, n], chosen[j - 1, n]
        j -= 1
    if j < len(best):
        best[j, n], chosen[j, n] = score, k


@jit
def excluded(t: Triangular, block: Block, k: int, g: int) -> bool:
    """Whether component k counts in no lane, by its distance up to group g and the bound."""
    tail, leak, peak = t.tail[k, g], t.leak[k, g], t.peak[k]
    norm, distance, best = block.norms[g], block.distance, block.best[0]
    near = np.float32(TOP_MARGIN if len(block.best) > 1 else 0)
    count = 0
    for n in range(LANES):
        rest = tail * norm[n] - leak * np.sqrt(distance[n])
        rest = rest if rest > 0 else np.float32(0)
        count += peak - distance[n] - rest * rest >= best[n] - near
    return count == 0


@jit
def four_squares(w: Float32, block: Block) -> None:
    """Add the squares of four rows w times the coordinates to the distance."""
    distance, y = block.distance, block.y
    four_rows(w, block.x, y)
    for n in range(LANES):
        y0, y1, y2, y3 = y[0, n], y[1, n], y[2, n], y[3, n]
        distance[n] = distance[n] + y0 * y0 + y1 * y1 + y2 * y2 + y3 * y3


@jit
def exact(t: Triangular, block: Block, order: IntArray) -> None:
    """Keep the best components of each lane."""
    for k in order:
        block.distance[:] = 0
        start = 0
        for g in range(len(block.norms)):
            if excluded(t, block, k, g):
                break
            width = (g + 1) * STEP
            w = t.whiten[k, start : start + STEP * width].reshape(STEP, width)
            start += STEP * width
            for i in range(0, STEP, 4):
                four_squares(w[i : i + 4], block)
        else:
            for n in range(LANES):
                keep(block, n, k, t.peak[k] - block.distance[n])


@jit
def band_squared_norms(stage: Structured, block: Block) -> None:
    """Of the coordinates in each band of a stage."""
    block.squared_norms[:] = 0
    for band in range(len(stage.edges) - 1):
        for i in range(stage.edges[band], stage.edges[band + 1]):
            for n in range(LANES):
                block.squared_norms[band, n] += block.x[i, n] * block.x[i, n]


@jit
def structured_cost(stage: Structured, block: Block, k: int) -> None:
    """Cost of component k in each lane, as the distance."""
    distance = block.distance
    distance[:] = stage.constant[k]
    for i in range(0, stage.whiten.shape[1], ROWS):
        four_squares(stage.whiten[k, i : i + ROWS, : i + ROWS], block)
    for band in range(stage.precision.shape[1]):
        precision = stage.precision[k, band]
        for n in range(LANES):
            distance[n] += precision * block.squared_norms[band, n]


@jit
def narrow(stage: Structured, block: Block, margin: float, flat: float) -> None:
    """Costs of a stage for the components considered so far; leaves those within the margin."""
    band_squared_norms(stage, block)
    limit = np.full(LANES, np.inf, np.float32)
    for k in range(len(block.costs)):
        costs = block.costs[k]
        if (costs < np.inf).any():
            structured_cost(stage, block, k)
            for n in range(LANES):
                costs[n] = block.distance[n] if costs[n] < np.inf else np.inf
                limit[n] = min(limit[n], costs[n])
    for n in range(LANES):
        power = block.norms[0, n] ** 2 / flat
        limit[n] += np.float32(2 * margin * min(power, 1.0) ** 2)
    for k in range(len(block.costs)):
        for n in range(LANES):
            if block.costs[k, n] > limit[n]:
                block.costs[k, n] = np.inf


@jit
def cascade(t: Tables, block: Block, margins: tuple[float, float], flat: float) -> None:
    """Keep the components of lowest refined cost among those that the other stages leave."""
    block.costs[:] = 0
    narrow(t.screen, block, margins[0], flat)
    if len(t.middle.edges) > 0:
        narrow(t.middle, block, margins[1], flat)
    band_squared_norms(t.refine, block)
    for k in range(len(block.costs)):
        if (block.costs[k] < np.inf).any():
            structured_cost(t.refine, block, k)
            for n in range(LANES):
                if block.costs[k, n] < np.inf:
                    keep(block, n, k, -block.distance[n])


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
def spread(t: Tables, block: Block, n: int, total: Float32, weight: Float32) -> None:
    """Add the estimate of lane n, weighted, and its weight, at its patch (views of its pixels)."""
    estimate = np.empty(total.size, np.float32)
    shares = np.exp(np.float32(0.5) * (block.best[:, n] - block.best[0, n]))
    shares[block.best[:, n] < block.best[0, n] - np.float32(TOP_MARGIN)] = 0
    shares /= shares.sum()
    for j in range(len(shares)):
        if shares[j] > 0:
            k = block.chosen[j, n]
            share = shares[j] * t.confidence[k]
            wiener(t.gain[k], block.patches[:, n], estimate)
            n_channels = len(total)
            for a in range(weight.shape[0]):
                for b in range(weight.shape[1]):
                    here = share * t.window[a, b]
                    for c in range(n_channels):
                        value = estimate[(a * weight.shape[1] + b) * n_channels + c]
                        total[c, a, b] += here * (value + block.mean[n])
                    weight[a, b] += here


@jit
def tile(
    image: Float32,
    shape: tuple[int, int],
    t: Tables,
    grid: tuple[IntArray, IntArray],
    kept: tuple[int, tuple[float, float], float],
) -> tuple[IntArray, Float32, Float32]:
    """One pass for the patches at the rows (at most SIDE) × columns of the grid.

    ``kept`` is how many components a patch is estimated with, the margins of the cascade, and from
    which squared norm on patches have all of them.
    Returns the best components and, per pixel from the first patch on, the weighted sum of the
    patch estimates, channel by channel like the image, and the sum of the weights.
    """
    p, q = shape
    rows, cols = grid
    count, margins, flat = kept
    choice = np.empty((len(rows), len(cols)), np.int32)
    weight = np.zeros((rows[-1] - rows[0] + p, cols[-1] - cols[0] + q), np.float32)
    total = np.zeros((len(image), *weight.shape), np.float32)
    order = t.triangular.order
    size = len(t.basis)
    bands = max(t.screen.precision.shape[1], t.refine.precision.shape[1])
    block = Block(
        np.empty((2, LANES), np.int32),
        np.empty(LANES, np.float32),
        np.zeros((t.basis.shape[1], LANES), np.float32),
        np.empty((size, LANES), np.float32),
        np.empty((size // STEP, LANES), np.float32),
        np.empty((4, LANES), np.float32),
        np.empty(LANES, np.float32),
        np.empty((bands, LANES), np.float32),
        np.empty((len(t.screen.constant), LANES), np.float32),
        np.empty((count, LANES), np.float32),
        np.empty((count, LANES), np.int32),
    )
    for start in range(0, len(cols), SIDE):
        for n in range(LANES):  # lanes beyond the edge repeat the last row or column
            block.corners[0, n] = rows[min(n // SIDE, len(rows) - 1)]
            block.corners[1, n] = cols[min(start + n % SIDE, len(cols) - 1)]
        extract(image, shape, block)
        project(t.basis, block)
        block.best[:] = -np.inf
        block.chosen[:] = 0
        if len(order) > 0:
            exact(t.triangular, block, order)
            order = to_front(order, block.chosen[0])
        else:
            cascade(t, block, margins, flat)
        for n in range(LANES):
            i, j = n // SIDE, start + n % SIDE
            if i < len(rows) and j < len(cols):
                choice[i, j] = block.chosen[0, n]
                top, left = rows[i] - rows[0], cols[j] - cols[0]
                here = slice(top, top + p), slice(left, left + q)
                spread(t, block, n, total[:, here[0], here[1]], weight[here])
    return choice, total, weight
