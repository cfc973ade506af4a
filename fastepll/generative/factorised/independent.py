"""Independent: variables that know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import JSON
from fastepll._validation.tables import check_categorical, check_levels, check_smoothing
from fastepll.generative.factorised.directed import Directed
from fastepll.generative.factorised.graph import padded


class Independent(Directed):
    """Fully independent categorical variables: p(x) = prod_i p(x_i).

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    levels : array_like of int, shape (d,)
        Values that each variable may have: 0 to levels - 1.
    tables : array_like, shape (sum of levels,)
        Their probabilities, one variable after the other.

    Raises
    ------
    ValueError
        Levels below 2, or tables that are no distributions.

    Examples
    --------
    >>> from fastepll.generative import Independent
    >>> Independent.fit([[0, 1], [0, 2]], smoothing=0.0).table(1)
    array([0. , 0.5, 0.5])
    """

    kind: ClassVar[str] = "independent"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        levels: ArrayLike,
        tables: ArrayLike,
    ) -> None:
        most = check_levels(levels, shape)
        super().__init__(shape, metadata, padded([[]] * len(most), most), tables)

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        *,
        levels: ArrayLike | None = None,
        smoothing: float = 1.0,
        shape: Sequence[int] | None = None,
    ) -> Independent:
        """Count.

        Parameters
        ----------
        x : array_like of int, shape (n, d) or (n, ...)
        levels : int or array_like of int, shape (d,), optional
            Default: up to the largest value of each variable, at least 2.
        smoothing : float
            Added to each count; 1 is Laplace's rule, 0 maximum likelihood.
        shape : tuple of int, optional
            Of a datum; default: that of the rows.
        """
        found, most, rows = check_categorical(x, shape, levels)
        smooth = check_smoothing(smoothing)
        tables = padded([[]] * len(most), most).estimate(rows, smooth)
        told: dict[str, JSON] = {"n": len(rows), "smoothing": smooth}
        return cls(found, told, levels=most, tables=tables)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Levels and tables."""
        return {"levels": self.levels, "tables": self.tables}
