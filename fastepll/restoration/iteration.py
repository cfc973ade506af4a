"""What a callback sees of a restoration after each pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastepll._portable import Portable, kept
from fastepll._warnings import warn


@dataclass(frozen=True, eq=False)
class Iteration(Portable):
    """What a callback of `fastepll.restore` gets after each pass.

    Attributes
    ----------
    iteration : int
        Number of the pass, from 0.
    n_iterations : int
        Passes in all.
    beta : float
        Weight of the splitting, in units of 1 / data_range².
    image : numpy.ndarray
        The image so far, a copy, as `fastepll.restore` would return it.
    objective : float
        `fastepll.objective` of the image, computed when it is asked for, which takes longer than a
        pass.
    """

    iteration: int
    n_iterations: int
    beta: float
    image: NDArray[Any]
    _objective: Callable[[ArrayLike], float] = field(repr=False)

    @kept
    def objective(self) -> float:
        """See the class."""
        return self._objective(self.image)

    @property
    def energy(self) -> float:
        """Deprecated name of ``objective``."""
        warn("Iteration.energy is now Iteration.objective", DeprecationWarning)
        return self.objective
