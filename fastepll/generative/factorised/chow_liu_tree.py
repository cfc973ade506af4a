"""ChowLiuTree: the tree of greatest likelihood, found from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import JSON, Array
from fastepll._validation.tables import Integers, Parents, check_categorical, check_size
from fastepll.generative.factorised.bayesian_network import BayesianNetwork
from fastepll.generative.factorised.graph import CHUNK


class ChowLiuTree(BayesianNetwork):
    """`BayesianNetwork` in which each variable has at most one parent.

    Parameters
    ----------
    shape, metadata, levels, parents, tables
        As for `BayesianNetwork`.

    Raises
    ------
    ValueError
        A variable with two parents.

    Notes
    -----
    Among all trees the likelihood of the data is greatest on the one that maximises the sum of
    the mutual information along its edges: a maximum spanning tree (scipy finds it).

    References
    ----------
    C. K. Chow, C. N. Liu, Approximating discrete probability distributions with dependence trees,
    IEEE Transactions on Information Theory 14, 1968.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import ChowLiuTree
    >>> rng = np.random.default_rng(0)
    >>> flips = rng.random((1000, 2)) < 0.1
    >>> a = rng.integers(2, size=1000)
    >>> b = a ^ flips[:, 0]
    >>> c = b ^ flips[:, 1]
    >>> ChowLiuTree.fit(np.stack([a, c, b], axis=1)).graph.parents.ravel()
    array([-1,  2,  0])
    """

    kind: ClassVar[str] = "chow-liu-tree"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        levels: ArrayLike,
        parents: Parents,
        tables: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata, levels=levels, parents=parents, tables=tables)
        several = (self.graph.parents >= 0).sum(1) > 1
        if several.any():
            raise ValueError(f"variable {several.argmax()} of a tree must have at most one parent")

    @classmethod
    def fit(  # type: ignore[override]  # the graph is found, not given
        cls,
        x: ArrayLike,
        *,
        levels: ArrayLike | None = None,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> ChowLiuTree:
        """Find the tree, then count. Needs scipy.

        Parameters
        ----------
        x : array_like of int, shape (n, d) or (n, ...)
        levels : int or array_like of int, shape (d,), optional
            Default: up to the largest value of each variable, at least 2.
        smoothing : float
            Added to each count of the tables; the tree is that of the counts alone.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

        found, most, rows = check_categorical(x, shape, levels)
        lengths = -1 - mutual_information(rows, most)  # 0 would be no edge
        np.fill_diagonal(lengths, 0)
        tree = minimum_spanning_tree(lengths)
        above = breadth_first_order(tree, 0, directed=False)[1]
        parents = np.maximum(above, -1)[:, None]
        fitted = BayesianNetwork.fit(rows, parents, levels=most, smoothing=smoothing)
        return cls(found, fitted.metadata, **fitted.parameters())


def mutual_information(x: NDArray[np.intp], levels: Integers) -> Array:
    """Of all pairs of variables, (d, d), in nats, from the frequencies in rows (n, d)."""
    begins = np.cumsum(levels) - levels
    cells = int(levels.sum())
    check_size("the table of all pairs", cells**2)
    counts = np.zeros((cells, cells))
    size = max(1, CHUNK // cells)
    for k in range(0, len(x), size):
        part = x[k : k + size] + begins
        one_hot = np.zeros((len(part), cells), np.float32)
        np.put_along_axis(one_hot, part, 1, axis=1)
        counts += one_hot.T @ one_hot
    joint = counts / len(x)
    single = joint.diagonal()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / np.outer(single, single)), 0)
    return np.asarray(np.add.reduceat(np.add.reduceat(terms, begins, axis=0), begins, axis=1))
