"""What models of conditional tables along a directed graph share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.model_arrays import JSON, Array
from fastepll._validation.tables import check_tables
from fastepll.generative.base import GenerativeModel
from fastepll.generative.factorised.elimination import complete
from fastepll.generative.factorised.graph import Graph, draw


class Directed(GenerativeModel):
    """Base of models with log p(x) = sum_i log p(x_i | its parents), each term a table.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    graph : Graph
    tables : array_like
        Probabilities, as `Graph` lays them out.
    """

    domain: ClassVar = "categorical"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None,
        graph: Graph,
        tables: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        self.graph = graph
        self.tables = check_tables("tables", tables, graph.lengths)

    @property
    def levels(self) -> NDArray[np.intp]:
        """Values that each variable may have, (d,)."""
        return self.graph.levels

    @property
    def order(self) -> NDArray[np.intp]:
        """Order of the variables in which parents come first."""
        return self.graph.order

    @property
    def n_parameters(self) -> int:
        """Free parameters: all cells, but for one of each distribution."""
        return self.tables.size - self.graph.lengths.size

    def table(self, i: int) -> Array:
        """Probabilities of variable i, (levels of its parents..., levels of i)."""
        members = [p for p in self.graph.parents[i] if p >= 0]
        begin, end = self.graph.offsets[i : i + 2]
        return self.tables[begin:end].reshape(*self.levels[members], self.levels[i])

    def conditional(self, x: Array, i: int) -> Array:
        """Probabilities (n, levels of i) of a variable, given those before it in rows (n, d)."""
        starts = self.graph.starts(x, i).astype(np.intp)
        return np.asarray(self.tables[starts[:, None] + np.arange(self.levels[i])])

    @property
    def _levels(self) -> Sequence[int]:
        found: list[int] = self.levels.tolist()
        return found

    @kept
    def _logs(self) -> Array:
        """Log probabilities of the tables."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.tables))

    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array:
        """Exact."""
        cells = self.graph.rows(x.astype(np.intp))
        return np.concatenate([self._logs[part].sum(1) for part in cells])

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Ancestral."""
        return self._propose_given(np.zeros((n, self.d)), np.zeros(self.d, bool), rng)[0]

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Exact: what is known has its unknown ancestors drawn first, by elimination."""
        drawn, settled = complete(self.graph, self._logs, x.astype(np.intp), known, rng)
        rows, weights = self._propose_given(drawn.astype(np.float64), settled, rng)
        if (weights == -np.inf).any():
            raise ValueError("x has probability 0 where it is known")
        return rows

    def _propose_given(
        self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Ancestral, with the probability of what is known as the weight."""
        rows, weights = x.astype(np.intp), np.zeros(len(x))
        for i in self.order:
            starts = self.graph.starts(rows, i)
            if known[i]:
                weights += self._logs[starts + rows[:, i]]
            else:
                rows[:, i] = draw(self._logs[starts[:, None] + np.arange(self.levels[i])], rng)
        return rows.astype(np.float64), weights
