"""When to stop: rules that watch a fit and say which of its iterations to return."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

WINDOW = 100
"""Iterations over which `MovingVariance` takes the variance."""

PATIENCE = 1000
"""Iterations without a smaller variance after which it stops."""

SAMPLE = 1 << 16  # values of an image that it keeps, at most


class Rule(Protocol):
    """What watches a fit.

    Attributes
    ----------
    statistic : float
        What the rule looks at, NaN while it is not known.
    best : int
        Iteration whose image is to be returned, from 0; -1: the last.
    """

    statistic: float
    best: int

    def update(self, i: int, output: NDArray[Any], misfit: float) -> bool:
        """Take note of iteration i; whether to stop after it.

        Parameters
        ----------
        i : int
        output : array
            Image that the network gave.
        misfit : float
            Mean square residual of the average of outputs, in units of the variance of the noise.
        """

    def state(self) -> dict[str, Any]:
        """Arrays and numbers from which `restore` goes on."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class Never:
    """To the last iteration."""

    statistic = math.nan
    best = -1

    def update(self, i: int, output: NDArray[Any], misfit: float) -> bool:
        """See `Rule`."""
        return False

    def state(self) -> dict[str, Any]:
        """See `Rule`."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Rule`."""


FACTOR = 1.0
"""Mean square residual, in units of the variance of the noise, at which `Discrepancy` stops."""


class Discrepancy(Never):
    """Stop as soon as the residual is what noise of the known deviation leaves (Morozov 1966).

    Parameters
    ----------
    factor : float
        Mean square residual at which to stop, in units of the variance of the noise.
    """

    def __init__(self, factor: float = FACTOR) -> None:
        self.factor, self.statistic = factor, math.nan

    def update(self, i: int, output: NDArray[Any], misfit: float) -> bool:
        """See `Rule`."""
        self.statistic = misfit
        return misfit <= self.factor


class MovingVariance:
    """Take the image where the last outputs differ least among themselves (Wang et al. 2023).

    While structure is taken up, and again when noise is, outputs change; in between they do not.
    Of each image at most `SAMPLE` values are kept.

    Parameters
    ----------
    window, patience : int
        See `WINDOW` and `PATIENCE`.

    References
    ----------
    H. Wang, T. Li, Z. Zhuang, T. Chen, H. Liang, J. Sun, Early stopping for deep image prior,
    TMLR 2023.
    """

    def __init__(self, window: int = WINDOW, patience: int = PATIENCE) -> None:
        self.patience, self.statistic, self.best = patience, math.nan, -1
        self.least = math.inf
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=window)
        self._sum = self._squares = np.zeros(0)

    def update(self, i: int, output: NDArray[Any], misfit: float) -> bool:
        """See `Rule`."""
        values = output.reshape(-1)
        chosen = values[:: -(-values.size // SAMPLE)].astype(np.float32)
        full = len(self._kept) == self._kept.maxlen
        gone = self._kept[0].astype(np.float64) if full else 0.0
        self._kept.append(chosen)
        new = chosen.astype(np.float64)
        if not self._sum.size:
            self._sum, self._squares = np.zeros((2, new.size))
        self._sum += new - gone
        self._squares += new**2 - np.square(gone)
        n = len(self._kept)
        if n == self._kept.maxlen:
            self.statistic = float(np.mean(self._squares / n - (self._sum / n) ** 2))
            if self.statistic < self.least:
                self.least, self.best = self.statistic, i
        return self.best >= 0 and i - self.best >= self.patience

    def state(self) -> dict[str, Any]:
        """See `Rule`."""
        kept = np.array(self._kept) if self._kept else np.zeros((0, 0), np.float32)
        sums = np.array([self._sum, self._squares])
        numbers = np.array([self.statistic, self.least, self.best])
        return {"kept": kept, "sums": sums, "numbers": numbers}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Rule`."""
        self._kept.extend(state["kept"])
        self._sum, self._squares = state["sums"].copy()
        self.statistic, self.least, best = map(float, state["numbers"])
        self.best = int(best)
