"""Conditional tables along a directed graph: where each cell is, and an order of the variables."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array
from fastepll._validation.tables import Integers, Parents, check_parents, check_size

CHUNK = 1 << 22  # values worked on together


class CyclicGraphError(ValueError):
    """Variables that depend on themselves through others; the message shows one cycle."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Directed acyclic graph of categorical variables, and the layout of their tables.

    The table of variable i has a row for each combination of its parents' values, the last parent
    running fastest, and a column for each value of i; all tables stand in one flat array.

    Attributes
    ----------
    levels : numpy.ndarray, shape (d,)
    parents : numpy.ndarray, shape (d, m)
        Rows filled up with -1.
    order : numpy.ndarray, shape (d,)
        Parents come before children; without need variables are in the order of their numbers.
    strides : numpy.ndarray, shape (d, m)
        What one more in a parent's value adds to the place of a cell.
    offsets : numpy.ndarray, shape (d + 1,)
        Where each table begins, and the number of all cells.

    Raises
    ------
    CyclicGraphError
    ValueError
        Tables too large to hold.
    """

    levels: Integers
    parents: Integers
    order: Integers = field(init=False)
    strides: Integers = field(init=False)
    offsets: Integers = field(init=False)

    def __post_init__(self) -> None:
        """Order the variables, then lay the tables out."""
        cells, strides = [], np.zeros_like(self.parents)
        for i, members in enumerate(self.parents):
            size = int(self.levels[i])
            for k in np.flatnonzero(members >= 0)[::-1]:
                strides[i, k] = size
                size = check_size(f"the table of variable {i}", size * int(self.levels[members[k]]))
            cells.append(size)
        check_size("the tables", sum(cells))
        found = {"strides": strides, "offsets": np.cumsum([0, *cells])}
        for name, value in {"order": ordered(self.parents), **found}.items():
            object.__setattr__(self, name, value)

    @property
    def lengths(self) -> Integers:
        """Values of each distribution in the tables, in their order."""
        return np.repeat(self.levels, np.diff(self.offsets) // self.levels)

    @property
    def n_free(self) -> int:
        """Parameters by the formula, sum_i (r_i - 1) prod_p r_p over the parents p of i."""
        factors = np.where(self.parents >= 0, self.levels[self.parents], 1)
        return int(((self.levels - 1) * factors.prod(1)).sum())

    def rows(self, x: Integers) -> Iterator[Integers]:
        """Cells (n, d) of all variables' values in some rows (n, d) at a time."""
        for part in np.array_split(x, max(1, math.ceil(x.size / CHUNK))):
            yield self.starts(part, slice(None)) + part

    def starts(self, x: NDArray[Any], i: slice | int) -> NDArray[Any]:
        """Cells at which the distributions of variables i begin, given rows x (n, d)."""
        places = self.offsets[:-1][i]
        for parent, stride in zip(self.parents[i].T, self.strides[i].T, strict=True):
            places = places + stride * x[:, parent]
        return np.broadcast_to(places, x[:, i].shape)

    def estimate(self, x: Integers, smoothing: float) -> Array:
        """Tables from counts, to each of which ``smoothing`` is added; uniform without any."""
        counts = np.full(self.offsets[-1], smoothing)
        for cells in self.rows(x):
            counts += np.bincount(cells.ravel(), minlength=counts.size)
        lengths = self.lengths
        sums = np.repeat(np.add.reduceat(counts, np.cumsum(lengths) - lengths), lengths)
        uniform = 1 / np.repeat(lengths, lengths)
        return np.asarray(np.divide(counts, sums, out=uniform, where=sums > 0))


def ordered(parents: Integers) -> Integers:
    """Order in which parents come before children; `CyclicGraphError` if there is none."""
    children: list[list[int]] = [[] for _ in parents]
    for i, k in zip(*np.nonzero(parents >= 0), strict=True):
        children[parents[i, k]].append(int(i))
    waiting = (parents >= 0).sum(1)
    ready, order = [int(i) for i in np.flatnonzero(waiting == 0)], []
    while ready:
        order.append(heapq.heappop(ready))
        for child in children[order[-1]]:
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, child)
    if len(order) < len(parents):
        raise CyclicGraphError(f"parents must make no cycle, got {_cycle(parents, waiting)}")
    return np.array(order)


def _cycle(parents: Integers, waiting: Integers) -> str:
    """One cycle: each variable that still waits has a parent that does."""
    path = [int(waiting.argmax())]
    while path[-1] not in path[:-1]:
        path.append(next(int(p) for p in parents[path[-1]] if p >= 0 and waiting[p]))
    return " → ".join(map(str, path[path.index(path[-1]) :][::-1]))


def draw(logs: Array, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw a value (n,) with probabilities proportional to the exponentials of rows (n, r)."""
    return np.asarray((logs + rng.gumbel(size=logs.shape)).argmax(axis=1))


def padded(parents: Parents, levels: Integers) -> Graph:
    """Graph of the parents of each variable."""
    return Graph(levels, check_parents(parents, len(levels)))
