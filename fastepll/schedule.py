"""The splitting weights for operators other than the identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastepll.operators import Operator
from fastepll.settings import Settings, settings_for
from fastepll.typing import Quality

FLOOR = 2e-4
"""Least noise, in units of the data range, that a measurement is taken to have: 0.05 of 255."""

LEVEL = 0.05  # noise for which the quality levels' grids and choices of components are taken


def task_settings(
    quality: Quality | Settings,
    operator: Operator,
    sigma: float,
    side: int,
    betas: Sequence[float] | None = None,
) -> Settings:
    """Settings of the passes; ``noise`` is 1/β itself."""
    base = quality if isinstance(quality, Settings) else settings_for(quality, LEVEL, side)
    noise = [1 / beta for beta in betas] if betas is not None else [0.01]
    return replace(base, noise=noise, blend=[1.0] * len(noise), coarse=0.0)
