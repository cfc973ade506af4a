"""The splitting weights for operators other than the identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastepll.operators import Operator
from fastepll.settings import Settings, settings_for
from fastepll.typing import Quality

FLOOR = 2e-4
"""Least noise, in units of the data range, that a measurement is taken to have: 0.05 of 255."""

PASSES: dict[Quality, int] = {"exact": 12, "high": 12, "balanced": 8, "fast": 6, "preview": 4}
WEIGHT = 0.6  # of the prior: c in the notes of `fastepll.restore`
END = 0.2  # the last pass assumes at least so much of sigma
LEVEL = 0.05  # noise for which the quality levels' grids and choices of components are taken


def task_settings(
    quality: Quality | Settings,
    operator: Operator,
    sigma: float,
    side: int,
    betas: Sequence[float] | None = None,
    *,
    least: float | None = None,
) -> Settings:
    """Settings whose ``noise`` is 1/β itself and whose ``blend`` is the weight of the prior.

    Parameters
    ----------
    quality : str or Settings
        Grid of patches and choice of components; a name sets the number of passes too, `Settings`
        keep theirs.
    operator : Operator
        Its ``noise_range`` bounds the passes.
    sigma : float
        In units of the data range; the largest if it varies.
    side : int
        Shorter side of the model's patches.
    betas : sequence of float, optional
        The weights of the splitting, with the prior's weight 1.
    least : float, optional
        The least sigma, if it varies.
    """
    if isinstance(quality, Settings):
        base, n = quality, len(quality.noise)
    else:
        base, n = settings_for(quality, LEVEL, (side, side)), PASSES[quality]
    if betas is None:
        first = max(operator.noise_range[0], sigma)
        last = max(operator.noise_range[1], END * (sigma if least is None else least))
        ratio = min(last / first, 1.0)
        noise = [(first * ratio ** (i / max(n - 1, 1))) ** 2 for i in range(n)]
        weight = WEIGHT
    else:
        noise, weight = [1 / beta for beta in betas], 1.0
    return replace(base, noise=noise, blend=[weight] * len(noise), coarse=0.0)
