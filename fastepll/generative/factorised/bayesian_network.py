"""BayesianNetwork: each variable depends on its parents in a given graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import JSON, real_array
from fastepll._validation.tables import Parents, check_categorical, check_levels, check_smoothing
from fastepll.generative.factorised.directed import Directed
from fastepll.generative.factorised.graph import padded


class BayesianNetwork(Directed):
    """Conditional probability tables along an acyclic graph: p(x) = prod_i p(x_i | parents of i).

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    levels : array_like of int, shape (d,)
        Values that each variable may have: 0 to levels - 1.
    parents : sequence of sequences of int
        Of each variable; or an array (d, m) with rows filled up with -1.
    tables : array_like
        Probabilities, laid out as ``fastepll.generative.factorised.graph.Graph`` says;
        `from_tables` takes them one by one.

    Raises
    ------
    CyclicGraphError
        A variable that depends on itself through others; shows the cycle.
    ValueError
        Tables that are no distributions, or too large.

    Notes
    -----
    There are sum_i (r_i - 1) prod_p r_p free parameters, r the levels of a variable and of its
    parents. `sample_given` is exact if the tables that eliminating variables needs can be held, as
    for prefixes of the order, chains, trees and small graphs.

    References
    ----------
    J. Pearl, Probabilistic Reasoning in Intelligent Systems, Morgan Kaufmann 1988.

    Examples
    --------
    Rain makes the grass wet, and so does the sprinkler, which is off when it rains.

    >>> from fastepll.generative import BayesianNetwork
    >>> grass = BayesianNetwork.from_tables(
    ...     [[], [0], [0, 1]],
    ...     [
    ...         [0.8, 0.2],
    ...         [[0.6, 0.4], [0.99, 0.01]],
    ...         [[[1.0, 0.0], [0.1, 0.9]], [[0.2, 0.8], [0.01, 0.99]]],
    ...     ],
    ... )
    >>> grass.n_parameters
    7
    >>> wet = grass.sample_given([[0, 0, 1]] * 10_000, [False, False, True], rng=0)
    >>> float(wet[:, 0].mean().round(1))  # exactly 0.358: it rained
    0.4
    """

    kind: ClassVar[str] = "bayesian-network"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        levels: ArrayLike,
        parents: Parents,
        tables: ArrayLike,
    ) -> None:
        most = check_levels(levels, shape)
        super().__init__(shape, metadata, padded(parents, most), tables)

    @classmethod
    def from_tables(
        cls,
        parents: Parents,
        tables: Sequence[ArrayLike],
        *,
        shape: Sequence[int] | None = None,
    ) -> BayesianNetwork:
        """Make one of a table for each variable, (levels of its parents..., its own levels)."""
        arrays = [real_array(f"tables[{i}]", table) for i, table in enumerate(tables)]
        levels = [array.shape[-1] if array.ndim else 0 for array in arrays]
        graph = padded(parents, check_levels(levels, (len(arrays),)))
        for i, array in enumerate(arrays):
            wanted = tuple(int(graph.levels[p]) for p in (*graph.parents[i], i) if p >= 0)
            if array.shape != wanted:
                raise ValueError(f"tables[{i}] must have shape {wanted}, got {array.shape}")
        flat = np.concatenate([array.ravel() for array in arrays])
        return cls(shape or (len(arrays),), levels=levels, parents=graph.parents, tables=flat)

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        parents: Parents,
        *,
        levels: ArrayLike | None = None,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> BayesianNetwork:
        """Count.

        Parameters
        ----------
        x : array_like of int, shape (n, d) or (n, ...)
        parents : sequence of sequences of int
            Of each variable.
        levels : int or array_like of int, shape (d,), optional
            Default: up to the largest value of each variable, at least 2.
        smoothing : float
            Added to each count; a row without any is uniform.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        found, most, rows = check_categorical(x, shape, levels)
        smooth, graph = check_smoothing(smoothing), padded(parents, most)
        told: dict[str, JSON] = {"n": len(rows), "smoothing": smooth}
        tables = graph.estimate(rows, smooth)
        return cls(found, told, levels=most, parents=graph.parents, tables=tables)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Levels, parents and tables."""
        return {"levels": self.levels, "parents": self.graph.parents, "tables": self.tables}
