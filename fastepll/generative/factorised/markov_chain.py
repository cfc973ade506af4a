"""MarkovChain: each variable depends on the few before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.generative import check_order
from fastepll._validation.model_arrays import JSON
from fastepll._validation.tables import (
    Integers,
    check_categorical,
    check_levels,
    check_memory,
    check_smoothing,
)
from fastepll.generative.factorised.directed import Directed
from fastepll.generative.factorised.graph import Graph, padded


class MarkovChain(Directed):
    """Chain p(x) = prod_i p(x_i | the k before it), with a table for each variable.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    levels : array_like of int, shape (d,)
        Values that each variable may have: 0 to levels - 1.
    order : array_like of int, shape (d,)
        ``order[i]`` is the variable that comes i-th.
    memory : int
        k, the order of the chain: 1 for the variable before alone.
    tables : array_like
        Probabilities of the variables by their numbers, the one next before running fastest; see
        ``fastepll.generative.factorised.graph.Graph``.

    Raises
    ------
    ValueError
        An order that is no permutation, tables that are no distributions, or too large.

    References
    ----------
    A. A. Markov, An example of statistical investigation of the text Eugene Onegin concerning the
    connection of samples in chains, 1913; Science in Context 19, 2006.

    Examples
    --------
    >>> from fastepll.generative import MarkovChain
    >>> chain = MarkovChain.fit([[0, 0, 0], [0, 0, 1], [1, 1, 1]], smoothing=0.0)
    >>> chain.table(2)  # given the second variable
    array([[0.5, 0.5],
           [0. , 1. ]])
    """

    kind: ClassVar[str] = "markov-chain"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        levels: ArrayLike,
        order: ArrayLike,
        memory: ArrayLike,
        tables: ArrayLike,
    ) -> None:
        most = check_levels(levels, shape)
        self.memory = check_memory(memory)
        graph = _chain(check_order(order, len(most)), most, self.memory)
        super().__init__(shape, metadata, graph, tables)

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        levels: ArrayLike | None = None,
        order: ArrayLike | None = None,
        memory: int = 1,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> MarkovChain:
        """Count.

        Parameters
        ----------
        x : array_like of int, shape (n, d) or (n, ...)
        levels : int or array_like of int, shape (d,), optional
            Default: up to the largest value of each variable, at least 2.
        order : array_like of int, shape (d,), optional
            Default: that of the numbers, rows of an image one after the other.
        memory : int
        smoothing : float
            Added to each count; a row without any is uniform.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        found, most, rows = check_categorical(x, shape, levels)
        d, smooth = len(most), check_smoothing(smoothing)
        place = check_order(np.arange(d) if order is None else order, d)
        tables = _chain(place, most, check_memory(memory)).estimate(rows, smooth)
        told: dict[str, JSON] = {"n": len(rows), "smoothing": smooth}
        return cls(found, told, levels=most, order=place, memory=memory, tables=tables)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Levels, order, memory and tables."""
        return {
            "levels": self.levels,
            "order": self.order,
            "memory": np.array(self.memory),
            "tables": self.tables,
        }


def _chain(order: NDArray[np.intp], levels: Integers, memory: int) -> Graph:
    """Graph in which each variable has those before it as parents."""
    parents: list[NDArray[np.intp]] = [order[:0]] * len(order)
    for i, v in enumerate(order):
        parents[v] = order[max(0, i - memory) : i]
    return padded(parents, levels)
