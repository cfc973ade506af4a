"""The splitting weights for operators other than the identity, and why they are what they are.

A pass assumes noise of variance 1/β in its image. The code of 2011 deblurs with β = 50 · (1, 2, 4,
… 64) whatever the noise, that of 2018 with (1, 4, 8, 16, 32) / σ² times a factor for how much of
the image the operator lets through, at most from β = 250. Both say that the first passes repair the
errors of the start, whose size depends on the operator, and only the last ones are for the noise.
So here: the standard deviations 1/√β fall from ``first`` to ``last``, which depend on the kind of
the operator and, between the noise levels of the table, on sigma divided by the operator's scale.

Three more numbers were worth tuning. ``weight`` is c, the weight of the prior's image in the
equation for x. ``curvature`` γ makes step i of n the one at ((i - 1) / (n - 1))^γ of the way.
``momentum`` m lets each pass but the first start from x + m (x - x') with x' the image a pass
before. What the operator does not see moves slowly, like the steps of expectation maximisation, and
without it inpainting needs three times the passes.

The table is ``restore_schedule.json``, written by ``python bench/tune_tasks.py`` from crops of
training photographs.
"""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from fastepll.backends.passes import PassOptions
from fastepll.operators import Operator
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.settings import Settings
from fastepll.typing import Quality

FLOOR = 2e-4
"""Least noise, in units of the data range, that a measurement is taken to have: 0.05 of 255."""

PASSES: dict[Quality, int] = {"exact": 8, "high": 8, "balanced": 8, "fast": 8, "preview": 6}
MASK_PASSES: dict[Quality, int] = {
    "exact": 32,
    "high": 32,
    "balanced": 12,
    "fast": 9,
    "preview": 6,
}  # of kind "mask", for which more help and cost little else
LIKE: dict[Quality, Quality] = {"learned": "high"}
"""What a level is here that is trained for white noise in all pixels."""
CHOICE: dict[Quality, dict[str, Any]] = {
    "high": {"selection": "exact"},
    "balanced": {"n_screen": 16, "margin": 6.0},
}
"""How these levels choose components here: more carefully than in denoising, since what a pass puts
into a hole in the wrong direction stays there. Regular textures gain 1 to 3 dB by it."""

STEPS = 8  # values of noise; with more, 32 passes restored no better
LEAST = 1e-3  # noise that a pass assumes
LEVEL = 0.05  # noise for which the quality levels' grids and choices of components are taken


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The passes of `restore` for a kind of operator at a noise level.

    Attributes
    ----------
    first, last : float
        Standard deviation of the noise, in units of the data range, that these passes assume.
    weight, curvature, momentum : float
        See the module.
    """

    first: float
    last: float
    weight: float
    curvature: float
    momentum: float

    def settings(self, base: Settings, n: int) -> TaskSettings:
        """So many passes with the grid and the choice of components of ``base``.

        They have at most `STEPS` values of noise, each of which needs tables of its own.
        """
        steps = min(n, STEPS)
        way = [(i * steps // n / max(steps - 1, 1)) ** self.curvature for i in range(n)]
        noise = [max(self.first * (self.last / self.first) ** share, LEAST) ** 2 for share in way]
        return TaskSettings(
            **grid_of(base), noise=noise, blend=[self.weight] * n, momentum=self.momentum
        )


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """Settings whose ``noise`` is 1/β itself and whose ``blend`` is the weight of the prior.

    Attributes
    ----------
    momentum : float
        Share of the last change of the image that is added before a pass.
    """

    momentum: float = 0.0


def task_settings(
    quality: Quality | Settings,
    operator: Operator,
    sigma: float,
    patch_shape: tuple[int, ...],
    betas: Sequence[float] | None = None,
    *,
    least: float | None = None,
) -> TaskSettings:
    """Settings of a restoration.

    Parameters
    ----------
    quality : str or Settings
        Grid of patches and choice of components; a name sets the number of passes too, `Settings`
        keep theirs.
    operator : Operator
        Its ``kind`` and ``scale`` decide the plan.
    sigma : float
        In units of the data range; the largest if it varies.
    patch_shape : tuple of int
        Of the model.
    betas : sequence of float, optional
        The weights of the splitting, with the prior's weight 1 and no momentum.
    least : float, optional
        The least sigma, if it varies.
    """
    if isinstance(quality, Settings):
        base, n = quality, len(quality.noise)
    else:
        quality = LIKE.get(quality, quality)
        base = settings_for(quality, LEVEL, patch_shape)
        base = replace(base, **CHOICE.get(quality, {}))
        n = n_passes(quality, operator.kind)
    if betas is None:
        scale = operator.scale or 1.0
        plan = plan_for(operator.kind, sigma / scale)
        if least is not None:
            quietest = plan_for(operator.kind, least / scale)
            plan = replace(plan, last=math.sqrt(plan.last * quietest.last))
        return plan.settings(base, n)
    noise = [1 / beta for beta in betas]
    return TaskSettings(**grid_of(base), noise=noise, blend=[1.0] * len(noise))


def n_passes(quality: Quality, kind: str) -> int:
    """How many passes a quality level makes for a kind of operator."""
    return (MASK_PASSES if kind == "mask" else PASSES)[LIKE.get(quality, quality)]


def grid_of(settings: Settings) -> dict[str, Any]:
    """The fields that settings share with a pass."""
    return {field.name: getattr(settings, field.name) for field in fields(PassOptions)}


def plan_for(kind: str, sigma: float) -> Plan:
    """Plan of a kind of operator, interpolated linearly in log sigma between those of the table.

    Above the last sigma of the table the plan's noise grows with sigma, below the first it stays.

    Examples
    --------
    >>> from fastepll.solver.restore_schedule import plan_for
    >>> plan_for("mask", 0.01).first > plan_for("mask", 0.01).last
    True
    """
    sigmas, rows = _table(kind)
    at = min(max(sigma, sigmas[0]), sigmas[-1])
    high = min(max(bisect_right(sigmas, at), 1), len(sigmas) - 1)
    low = max(high - 1, 0)
    share = math.log(at / sigmas[low]) / math.log(sigmas[high] / sigmas[low]) if high > low else 0
    values = {
        name: (1 - share) * rows[low][name] + share * rows[high][name]
        for name in ("weight", "curvature", "momentum")
    }
    growth = max(sigma / sigmas[-1], 1.0)
    noise = {
        name: growth * rows[low][name] ** (1 - share) * rows[high][name] ** share
        for name in ("first", "last")
    }
    return Plan(**noise, **values)


@cache
def _table(kind: str) -> tuple[list[float], list[dict[str, float]]]:
    """Rising sigmas, in units of the data range, and the fields of the plan of each.

    ``restore_schedule.json`` has for every kind a list of rows with ``sigma``, of 255, and
    those fields.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "restore_schedule.json")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    rows = table.get(kind, table["any"])
    return [row["sigma"] / 255 for row in rows], rows
