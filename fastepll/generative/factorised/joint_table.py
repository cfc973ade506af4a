"""JointTable: a probability for each datum that there can be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import JSON, Array
from fastepll._validation.tables import (
    Integers,
    check_categorical,
    check_levels,
    check_size,
    check_smoothing,
    check_tables,
)
from fastepll.generative.base import GenerativeModel


class JointTable(GenerativeModel):
    """Joint table of categorical variables: any distribution, if it can be held.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    levels : array_like of int, shape (d,)
        Values that each variable may have: 0 to levels - 1.
    table : array_like, shape (product of levels,)
        Probabilities of all data, the last variable running fastest.

    Raises
    ------
    ValueError
        A table too large to hold: says how large.

    Examples
    --------
    >>> from fastepll.generative import JointTable
    >>> JointTable.fit([[0, 0], [1, 1]], smoothing=0.0).table
    array([0.5, 0. , 0. , 0.5])
    >>> JointTable.fit([[0] * 784])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: the joint table would have 1.02e+236 cells, 8.14e+236 bytes; at most ...
    """

    kind: ClassVar[str] = "joint-table"
    domain: ClassVar = "categorical"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        levels: ArrayLike,
        table: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        self.levels = check_levels(levels, self.shape)
        self.table = check_tables("table", table, np.array([_cells(self.levels)]))

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        levels: ArrayLike | None = None,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> JointTable:
        """Count.

        Parameters
        ----------
        x : array_like of int, shape (n, d) or (n, ...)
        levels : int or array_like of int, shape (d,), optional
            Default: up to the largest value of each variable, at least 2.
        smoothing : float
            Added to each count.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        found, most, rows = check_categorical(x, shape, levels)
        smooth, cells = check_smoothing(smoothing), _cells(most)
        counts = np.bincount(np.ravel_multi_index(tuple(rows.T), tuple(most)), minlength=cells)
        table = (counts + smooth) / (len(rows) + cells * smooth)
        return cls(found, {"n": len(rows), "smoothing": smooth}, levels=most, table=table)

    @property
    def n_parameters(self) -> int:
        """Free parameters: all cells but one."""
        return self.table.size - 1

    @property
    def order(self) -> NDArray[np.intp]:
        """Order of the variables: as they are numbered."""
        return np.arange(self.d)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Levels and the table."""
        return {"levels": self.levels, "table": self.table}

    def conditional(self, x: Array, i: int) -> Array:
        """Probabilities (n, levels of i) of a variable, given those before it in rows (n, d)."""
        sums = self.table.reshape(_cells(self.levels[:i]), self.levels[i], -1).sum(2)
        found = sums[self._cell(x, np.arange(self.d) < i)]
        total, uniform = found.sum(1, keepdims=True), np.full_like(found, 1 / self.levels[i])
        return np.asarray(np.divide(found, total, out=uniform, where=total > 0))

    @property
    def _levels(self) -> Sequence[int]:
        found: list[int] = self.levels.tolist()
        return found

    def _cell(self, x: Array, which: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Cells (n,) of rows in a table of some of the variables."""
        if not which.any():
            return np.zeros(len(x), np.intp)
        values = tuple(x.T[which].astype(np.intp))
        return np.asarray(np.ravel_multi_index(values, tuple(self.levels[which])))

    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array:
        """Look it up."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.table[self._cell(x, np.ones(self.d, bool))]))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """By the inverse of the cumulative distribution."""
        return self._sample_given(np.zeros((n, self.d)), np.zeros(self.d, bool), rng)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Exact: each known part has a row of the table, that is searched by halves."""
        axes = [*np.flatnonzero(known), *np.flatnonzero(~known)]
        table = self.table.reshape(self.levels).transpose(axes)
        sums = table.reshape(_cells(self.levels[known]), -1).cumsum(1)
        row = self._cell(x, known)
        if not sums[row, -1].all():
            raise ValueError("x has probability 0 where it is known")
        target = sums[row, -1] * rng.random(len(x))
        low, high = np.zeros(len(x), np.intp), np.full(len(x), sums.shape[1] - 1)
        while (low < high).any():
            middle = (low + high) // 2
            above = sums[row, middle] > target
            low, high = np.where(above, low, middle + 1), np.where(above, middle, high)
        drawn = x.copy()
        if not known.all():
            drawn[:, ~known] = np.stack(np.unravel_index(low, tuple(self.levels[~known])), axis=1)
        return drawn


def _cells(levels: Integers) -> int:
    """Size of a table of variables."""
    return check_size("the joint table", math.prod(levels.tolist()))
