"""What a restoration computes, in numbers: the settings of a quality level, and of one pass."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, get_args

from fastepll import _check
from fastepll.typing import Estimator, Quality, Selection, Weighting

if TYPE_CHECKING:
    from fastepll.priors.adapted import PatchModel

BETAS = (1.0, 4.0, 8.0, 16.0, 32.0)
"""Weights of the splitting in units of 1/sigma², the schedule of Zoran & Weiss (2011)."""

STEPS = (0.6180339887498949, 0.3819660112501051)  # golden ratio: shifts that never line up
STARTS = (0.3125, 0.9375)  # of 64 pairs, the best for four strides on bsds300/train
TURN = 5  # passes, which lie on a diagonal of the grid; those that follow lie on another
MAX_SCALES = 16
SIDE = 8  # patch side that the strides of the quality levels are meant for


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What `Settings` and each `Pass` of them have in common; described there."""

    stride: int = 1
    selection: Selection = "exact"
    screen_dims: int = 8
    refine_dims: int = 32
    margin: float = 6.0
    middle_margin: float = 3.0
    estimator: Estimator = "map"
    weighting: Weighting = "uniform"
    rank_tolerance: float = 0.0
    window: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Pass(Kind):
    """One pass of the prior; what the fields mean is written in `fastepll.backends.reference`.

    Attributes
    ----------
    noise_var : float
        Variance of the noise that the pass assumes in its image.
    shift : (int, int)
        Row and column at which the grid of patches starts anew, each below the stride.
    stride, selection, screen_dims, refine_dims, margin, middle_margin, estimator, weighting
    rank_tolerance, window
        As in `Settings`.
    """

    noise_var: float
    shift: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Settings(Kind):
    """Every number that decides what `fastepll.denoise` computes, and how fast.

    Parameters
    ----------
    noise : sequence of float
        Noise variance that each pass of the prior assumes, in units of sigma², in [1e-6, 1e6].
    blend : sequence of float
        Share of the pass in the new image, in (0, 1]: x = (1 - blend) y + blend x̃ for the noisy
        image y and the average x̃ of the patch estimates. One per pass.
    stride : int
        Step of the grid of patches, in [1, 16] and at most the side of the model's patches. The
        grid moves from pass to pass.
    selection : {"exact", "cascade"}
        "exact" compares all components of the mixture by their posterior probability. "cascade"
        compares them by that of their covariance outside few leading principal axes of the mixture
        replaced by its mean variance: first in ``screen_dims`` axes, then the candidates in 16, if
        that is between the two, then those left in ``refine_dims``.
    screen_dims, refine_dims : int
        Axes of the cascade, 1 <= screen_dims <= refine_dims. More than the patch has mean all.
    margin : float
        A component within so many nats of the best of the screen is a candidate; of a patch z with
        few structures, whose power ``‖z‖²`` is below that of twice the noise, within margin times
        the square of the ratio of the two.
    middle_margin : float
        The same in 16 axes: candidates within so many nats of the best of them are left.
    estimator : {"map", "mean"}
        Filter of the best component, or the mean over the best (at most four) of their filters.
    weighting : {"uniform", "confidence"}
        Weight of a patch estimate in the average: 1, or (1 + degrees of freedom of its filter)^-½.
    rank_tolerance : float
        The filter treats directions of variance at most so many times the noise variance alike.
    window : float
        Steepness of the weight ``exp(-window (u² + v²))`` of a pixel in its patch, u and v its
        distances from the middle in half-sides.
    coarse : float
        Share, in [0, 1], in which the low frequencies of the result are replaced by those of the
        noisy image at half its size, restored by the same settings with twice the stride (below
        the patch side): patches of one scale leave noise there (Papyan & Elad, Multi-scale
        patch-based image restoration, IEEE TIP 2016).
    scales : int
        Sizes of the image at most, in [1, 16]: its own, and with ``coarse`` > 0 its halves whose
        shorter side is at least 48 pixels.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong kind, or out of range; the message names it.

    Examples
    --------
    >>> from fastepll import Settings
    >>> Settings.from_betas([1, 4], stride=2).blend
    (0.5, 0.8)
    """

    noise: Sequence[float]
    blend: Sequence[float]
    coarse: float = 0.0
    scales: int = 16

    def __post_init__(self) -> None:
        checked = {
            "noise": _check.check_numbers("noise", self.noise, 1e-6, 1e6),
            "blend": _check.check_numbers("blend", self.blend, 1e-6, 1),
            "stride": _check.check_count("stride", self.stride, 1, 16),
            "screen_dims": _check.check_count("screen_dims", self.screen_dims, 1, 1 << 20),
            "refine_dims": _check.check_count("refine_dims", self.refine_dims, 1, 1 << 20),
            "margin": _check.check_number("margin", self.margin, 0, 1e6),
            "middle_margin": _check.check_number("middle_margin", self.middle_margin, 0, 1e6),
            "rank_tolerance": _check.check_number("rank_tolerance", self.rank_tolerance, 0, 1e6),
            "window": _check.check_number("window", self.window, 0, 100),
            "coarse": _check.check_number("coarse", self.coarse, 0, 1),
            "scales": _check.check_count("scales", self.scales, 1, MAX_SCALES),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        _check.check_choice("selection", self.selection, get_args(Selection))
        _check.check_choice("estimator", self.estimator, get_args(Estimator))
        _check.check_choice("weighting", self.weighting, get_args(Weighting))
        if len(self.noise) != len(self.blend):
            raise ValueError(
                f"blend must have one value for each of noise ({len(self.noise)}), "
                f"got {len(self.blend)}"
            )
        if self.screen_dims > self.refine_dims:
            raise ValueError(
                f"screen_dims must be at most refine_dims ({self.refine_dims}), "
                f"got {self.screen_dims}"
            )

    @classmethod
    def from_betas(cls, betas: Sequence[float], **rest: Any) -> Settings:
        """Settings of the half-quadratic splitting with weights betas, in units of 1/sigma²."""
        return cls(**_schedule(betas), **rest)

    def with_betas(self, betas: Sequence[float]) -> Settings:
        """The same settings with another schedule, that of `from_betas`."""
        return replace(self, **_schedule(betas))

    def with_scales(self, scales: int, coarse: float) -> Settings:
        """The same settings with so many sizes; with that ``coarse`` where they have none."""
        return replace(self, scales=scales, coarse=self.coarse or coarse)

    def pass_(self, i: int, sigma: float, origin: tuple[int, int] = (0, 0)) -> Pass:
        """Pass number i for an image with noise of standard deviation sigma.

        For a part of an image that begins at ``origin`` its patches lie on the grid of the whole.
        """
        return _pass(self, i, sigma, origin[0] % self.stride, origin[1] % self.stride)


@lru_cache(maxsize=256)
def _pass(settings: Settings, i: int, sigma: float, top: int, left: int) -> Pass:
    """`Settings.pass_`."""
    shares = (STARTS[0] + i * STEPS[0], STARTS[1] + i * STEPS[1] + i // TURN * STEPS[0])
    row, col = (
        (int(settings.stride * (share % 1.0)) - start) % settings.stride
        for share, start in zip(shares, (top, left), strict=True)
    )
    kind = {field.name: getattr(settings, field.name) for field in fields(Kind)}
    return Pass(noise_var=settings.noise[i] * (sigma * sigma), shift=(row, col), **kind)


def _schedule(betas: Sequence[float]) -> dict[str, Any]:
    """Noise and blend of a pass from its weight beta."""
    values = _check.check_numbers("betas", betas, 1e-6, 1e6)
    return {
        "noise": tuple(1 / beta for beta in values),
        "blend": tuple(beta / (1 + beta) for beta in values),
    }


EXACT = Settings.from_betas(BETAS)
"""The published method."""


@lru_cache(maxsize=64)
def settings_for(
    quality: Quality, sigma: float, patch_shape: tuple[int, ...] = (SIDE, SIDE)
) -> Settings:
    """Settings of a quality level.

    Parameters
    ----------
    quality : {"exact", "high", "balanced", "fast", "preview"}
        "exact" is the published method whatever the noise. The others were tuned at some noise
        levels; between these log noise, logit blend and coarse are interpolated linearly in log
        sigma, and beyond them those of the nearest hold.
    sigma : float
        Noise standard deviation, > 0, in units of the data range.
    patch_shape : tuple of int
        That of the model. Gray and colour patches have schedules of their own. A stride shrinks in
        proportion with sides below 8.

    Examples
    --------
    >>> from fastepll.settings import settings_for
    >>> settings_for("exact", 0.1).noise
    (1.0, 0.25, 0.125, 0.0625, 0.03125)
    """
    if quality == "exact":
        return EXACT
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


def check_settings(quality: object, model: PatchModel) -> None:
    """Raise TypeError or ValueError unless it is a quality level or Settings for the model."""
    if isinstance(quality, Settings):
        _check.check_stride(quality.stride, model)
    elif isinstance(quality, str):
        _check.check_choice("quality", quality, get_args(Quality))
    else:
        raise TypeError(f"quality must be a string or Settings, got {type(quality).__name__}")


Tuned = tuple[dict[str, Any], list[float], list[list[float]], list[list[float]], list[float]]


@cache
def _tuned(quality: Quality, prior: str) -> Tuned:
    """Fixed fields of a level; log sigma, log noise, logit blend and coarse for each sigma.

    ``schedules.json`` has for "gray" and "rgb" priors, and every level but "exact", an object with
    the fields of `Settings` that do not depend on sigma, and ``sigmas`` (rising, of 255),
    ``noise``, ``blend`` (below 1) and ``coarse``, a row or number for each sigma. `bench/tune.py`
    writes it.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json")
    with open(path, encoding="utf-8") as file:
        fixed = json.load(file)[prior][quality]
    sigmas = [math.log(sigma) for sigma in fixed.pop("sigmas")]
    noise = [[math.log(value) for value in row] for row in fixed.pop("noise")]
    blend = [[math.log(value / (1 - value)) for value in row] for row in fixed.pop("blend")]
    return fixed, sigmas, noise, blend, fixed.pop("coarse")
