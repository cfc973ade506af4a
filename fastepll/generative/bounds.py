"""A bound of a log probability, which is not to be taken for the log probability itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fastepll._validation.model_arrays import Array


@dataclass(frozen=True, eq=False)
class LowerBound:
    """A lower bound of the log probability of data, or a lower estimate of one.

    Attributes
    ----------
    values : numpy.ndarray, shape (n,)
        In nats, of each datum: the expectation of each is at most its log probability.
    errors : numpy.ndarray, shape (n,)
        Standard errors of them as estimates of that expectation.
    told : str
        How they were found: "importance-weighted bound, 5000 samples".
    """

    values: Array
    errors: Array
    told: str

    @property
    def mean(self) -> float:
        """Over the data."""
        return float(np.mean(self.values))

    @property
    def mean_error(self) -> float:
        """Standard error of the mean: of the estimates alone, not of the choice of the data."""
        return float(np.sqrt(np.sum(self.errors**2)) / max(self.errors.size, 1))

    def __len__(self) -> int:
        """Number of data."""
        return len(self.values)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: a bound is no log probability."""
        raise TypeError(f"this is a lower bound of log p ({self.told}), not log p: use its .values")

    def __repr__(self) -> str:
        """Mean and its error."""
        return f"LowerBound({self.mean:.2f} ± {self.mean_error:.2f} nats, {self.told})"
