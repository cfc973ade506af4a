"""What a measurement tells before anything is restored: its noise, and whether an image fits it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastepll._validation.intensities import (
    DEVIATIONS,
    HIGHEST,
)
from fastepll._validation.sigma import Sigma
from fastepll.models import load_model
from fastepll.noise.estimate import GRAY, relative_sigma
from fastepll.operators import Mask, Operator

SIDE = 8  # of the patches that the noise is estimated from
COMPLETE = 0.02  # of them, at least, must be free of unknown pixels


def gain_of(operator: Operator) -> float:
    """How much larger than an image what is measured of it may be, at least 1."""
    seen = operator.response
    return max(1.0, operator.scale) if seen is None else max(1.0, seen[1], -seen[0])


def check_implied(y: NDArray[Any], operator: Operator, sigma: Sigma | None) -> None:
    """Raise ValueError if no image in [-1, 2] has such a float measurement (..., channels).

    For y = A x + n of an x that is at most m anywhere, ⟨y, A x⟩ = ⟨Aᵀy, x⟩ <= m ‖Aᵀy‖₁, and ⟨y, n⟩
    is about the squared norm of the noise.
    """
    level = 0.0 if sigma is None else float(np.sqrt(np.mean(np.square(sigma))))
    for channel in np.moveaxis(y.astype(np.float64), -1, 0):
        norm = float(np.linalg.norm(channel))
        noise = level * (level * (channel.size + DEVIATIONS * np.sqrt(2 * channel.size)))
        explained = norm**2 - noise - DEVIATIONS * level * norm
        most = float(np.abs(operator.adjoint(channel)).sum())
        if explained > HIGHEST * most > 0:
            raise ValueError(
                "data_range must be given for a float y that is not of an image in [0, 1], got "
                f"None and one of an image that reaches {explained / most:.4g} at least; if white "
                "is 255, pass data_range=255"
            )


def measured_sigma(y: NDArray[Any], operator: Operator, data_range: float, n_threads: int) -> float:
    """Standard deviation of the noise of a measurement (height, width, channels) that is an image.

    Patches with unknown pixels do not count.
    """
    if operator.response is None:
        raise ValueError(
            "sigma must be given where the measurement is no image, got None and "
            f"{type(operator).__name__}"
        )
    unknown = None
    if isinstance(operator, Mask) and operator.unknown.any():
        unknown = operator.unknown
        sides = tuple(min(SIDE, n) for n in unknown.shape)
        complete = 1 - sliding_window_view(unknown, sides).any(axis=(-2, -1)).mean()
        if complete < COMPLETE:
            raise ValueError(
                f"sigma must be given for a mask that leaves few patches without unknown pixels, "
                f"got None and {100 * complete:.2g} % of them"
            )
    return data_range * relative_sigma(y, load_model(GRAY), data_range, n_threads, unknown)
