"""One pass of the prior, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from fastepll.typing import PassEstimator, Selection, Weighting


@dataclass(frozen=True, kw_only=True)
class PassOptions:
    """What `fastepll.Settings` and each `Pass` of them have in common; described there."""

    stride: int = 1
    selection: Selection = "exact"
    n_screen: int = 8
    n_refine: int = 32
    margin: float = 6.0
    middle_margin: float = 3.0
    estimator: PassEstimator = "map"
    weighting: Weighting = "uniform"
    rank_tolerance: float = 0.0
    window_decay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Pass(PassOptions):
    """One pass of the prior; what the fields mean is written in `fastepll.backends.reference`.

    Attributes
    ----------
    noise_var : float
        Variance of the noise that the pass assumes in its image.
    shift : (int, int)
        Row and column at which the grid of patches starts anew, each below the stride.
    stride, selection, n_screen, n_refine, margin, middle_margin, estimator, weighting
    rank_tolerance, window_decay
        As in `fastepll.Settings`.
    """

    noise_var: float
    shift: tuple[int, int] = (0, 0)
