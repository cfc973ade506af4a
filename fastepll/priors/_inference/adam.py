"""Ascent of a likelihood by stochastic gradients, for priors fitted in minibatches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM_UP = 50  # steps over which the rate grows


class Adam:
    """Adam (Kingma & Ba, ICLR 2015) with a rate that rises at first and falls to 0 at the end.

    Parameters
    ----------
    parameters : dict of arrays
        Changed by `step`, in place of the dict's entries.
    rate : float
        Largest change of an entry per step.
    n_steps : int
        Steps in all.
    """

    def __init__(self, parameters: dict[str, NDArray[Any]], rate: float, n_steps: int) -> None:
        self.parameters, self.rate, self.n_steps, self.done = parameters, rate, n_steps, 0
        self.means = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.squares = {name: np.zeros_like(value) for name, value in parameters.items()}

    def step(self, slopes: dict[str, NDArray[Any]]) -> None:
        """Go up along gradients of the parameters, by name."""
        self.done += 1
        warm, left = min(1, self.done / WARM_UP), max(0, 1 - self.done / self.n_steps)
        rate = self.rate * warm * left**0.5
        for name, slope in slopes.items():
            mean, square = self.means[name], self.squares[name]
            mean += 0.1 * (slope - mean)
            square += 0.01 * (slope * slope - square)
            size = np.sqrt(square / (1 - 0.99**self.done)) + 1e-12
            value = self.parameters[name]
            self.parameters[name] = value + value.dtype.type(rate / (1 - 0.9**self.done)) * (
                mean / size
            )
