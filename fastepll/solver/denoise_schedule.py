"""The passes of a quality level at a noise level, from the table that ``bench/tune.py`` wrote."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from fastepll.solver.settings import EXACT, Settings
from fastepll.typing import Quality

START: Quality = "fast"  # of the level "learned"
SIDE = 8  # patch side that the strides of the quality levels are meant for


@lru_cache(maxsize=64)
def settings_for(
    quality: Quality, sigma: float, patch_shape: tuple[int, ...] = (SIDE, SIDE)
) -> Settings:
    """Settings of a quality level.

    Parameters
    ----------
    quality : {"exact", "learned", "high", "balanced", "fast", "preview"}
        "exact" is the published method whatever the noise, "learned" is "fast" with trained steps
        that follow. The others were tuned at some noise
        levels; between these log noise, logit blend and coarse are interpolated linearly in log
        sigma, and beyond them those of the nearest hold.
    sigma : float
        Noise standard deviation, > 0, in units of the data range.
    patch_shape : tuple of int
        That of the model. Gray and colour patches have schedules of their own. A stride shrinks in
        proportion with sides below 8.

    Examples
    --------
    >>> from fastepll.solver.denoise_schedule import settings_for
    >>> settings_for("exact", 0.1).noise
    (1.0, 0.25, 0.125, 0.0625, 0.03125)
    """
    if quality == "exact":
        return EXACT
    if quality == "learned":
        return replace(settings_for(START, sigma, patch_shape), learned=True)
    prior = "gray" if len(patch_shape) == 2 else "rgb"
    tuned, sigmas, noises, blends, coarse = _tuned(quality, prior)
    at = math.log(255 * sigma)
    high = min(max(bisect_right(sigmas, at), 1), len(sigmas) - 1)
    low = max(high - 1, 0)
    share = 0.0
    if high > low:
        share = min(max((at - sigmas[low]) / (sigmas[high] - sigmas[low]), 0.0), 1.0)
    noise, blend = (
        [a + share * (b - a) for a, b in zip(table[low], table[high], strict=True)]
        for table in (noises, blends)
    )
    settings = Settings(
        noise=[math.exp(value) for value in noise],
        blend=[1 / (1 + math.exp(-value)) for value in blend],
        coarse=coarse[low] + share * (coarse[high] - coarse[low]),
        **tuned,
    )
    stride = max(1, settings.stride * min(patch_shape[:2]) // SIDE)
    return settings if stride >= settings.stride else replace(settings, stride=stride)


Tuned = tuple[dict[str, Any], list[float], list[list[float]], list[list[float]], list[float]]


@cache
def _tuned(quality: Quality, prior: str) -> Tuned:
    """Fixed fields of a level; log sigma, log noise, logit blend and coarse for each sigma.

    ``denoise_schedule.json`` has for "gray" and "rgb" priors, and every level but "exact", an
    object with the fields of `Settings` that do not depend on sigma, and ``sigmas`` (rising, of
    255), ``noise``, ``blend`` (below 1) and ``coarse``, a row or number for each sigma.
    `bench/tune.py` writes it.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "denoise_schedule.json")
    with open(path, encoding="utf-8") as file:
        fixed = json.load(file)[prior][quality]
    sigmas = [math.log(sigma) for sigma in fixed.pop("sigmas")]
    noise = [[math.log(value) for value in row] for row in fixed.pop("noise")]
    blend = [[math.log(value / (1 - value)) for value in row] for row in fixed.pop("blend")]
    return fixed, sigmas, noise, blend, fixed.pop("coarse")
