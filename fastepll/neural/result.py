"""What a fit tells while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastepll._portable import Portable, kept

Stopped: TypeAlias = Literal["rule", "iterations", "callback", "interrupt"]
"""What ended a fit."""
RuleName: TypeAlias = Literal["discrepancy", "variance", "never"]


@dataclass(frozen=True, eq=False)
class FitIteration(Portable):
    """What a callback of `fastepll.deep_image_prior` gets after each iteration.

    Attributes
    ----------
    iteration : int
        Number of the iteration, from 0.
    n_iterations : int
        Most iterations.
    loss : float
        Mean square residual of this iteration's image, in units of data_range², where sigma is a
        map weighted by its inverse square.
    residual : float
        Mean square residual of the averaged image, in units of sigma² where that is known and not
        0, else of data_range².
    statistic : float
        What the stopping rule looks at: the residual, or the moving variance; NaN where it is not
        known yet or there is no rule.
    image : numpy.ndarray
        The averaged image so far, as `fastepll.deep_image_prior` would return it; computed when it
        is asked for.
    output : numpy.ndarray
        The same of this iteration alone.
    """

    iteration: int
    n_iterations: int
    loss: float
    residual: float
    statistic: float
    _images: tuple[Callable[[], NDArray[Any]], Callable[[], NDArray[Any]]] = field(repr=False)

    @kept
    def image(self) -> NDArray[Any]:
        """See the class."""
        return self._images[0]()

    @kept
    def output(self) -> NDArray[Any]:
        """See the class."""
        return self._images[1]()


@dataclass(frozen=True, eq=False, kw_only=True)
class DeepImagePriorResult:
    """What `fastepll.deep_image_prior` returns with ``full_output=True``.

    Attributes
    ----------
    image : numpy.ndarray
        The restored image.
    iteration : int
        Iteration whose averaged image that is, from 0.
    stopped : {"rule", "iterations", "callback", "interrupt"}
        What ended the fit.
    rule : {"discrepancy", "variance", "never"}
        The rule that watched it.
    losses, statistics : (n,) array of float
        Of each iteration, as in `FitIteration`.
    snapshots : dict
        Averaged images by iteration, as ``snapshots`` asked for; of this call.
    n_parameters : int
        Of the network.
    flops : float
        Of an iteration.
    seconds : float
        Of all iterations of this call.
    """

    image: NDArray[Any]
    iteration: int
    stopped: Stopped
    rule: RuleName
    losses: NDArray[np.float64]
    statistics: NDArray[np.float64]
    snapshots: dict[int, NDArray[Any]]
    n_parameters: int
    flops: float
    seconds: float
