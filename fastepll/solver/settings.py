"""What a restoration computes, in numbers: the settings of its passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, get_args

from fastepll._deprecated import older_fields, older_keywords
from fastepll._validation.arguments import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_numbers,
)
from fastepll._validation.images import check_stride
from fastepll._warnings import warn
from fastepll.backends.passes import Pass, PassOptions
from fastepll.typing import HasPatches, PassEstimator, Quality, Selection, Weighting

BETAS = (1.0, 4.0, 8.0, 16.0, 32.0)
"""Weights of the splitting in units of 1/sigma², the schedule of Zoran & Weiss (2011)."""

STEPS = (0.6180339887498949, 0.3819660112501051)  # golden ratio: shifts that never line up
STARTS = (0.3125, 0.9375)  # of 64 pairs, the best for four strides on bsds300/train
TURN = 5  # passes, which lie on a diagonal of the grid; those that follow lie on another
MAX_SCALES = 16


OLDER = {
    "screen_dims": "n_screen",
    "refine_dims": "n_refine",
    "window": "window_decay",
    "scales": "n_scales",
}
"""Fields of `Settings` by what they were in version 0.1; they go with version 0.3."""


@older_fields(OLDER)
@dataclass(frozen=True, kw_only=True)
class Settings(PassOptions):
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
        replaced by its mean variance: first in ``n_screen`` axes, then the candidates in 16, if
        that is between the two, then those left in ``n_refine``.
    n_screen, n_refine : int
        Axes of the cascade, 1 <= n_screen <= n_refine. More than the patch has mean all.
    margin : float
        A component within so many nats of the best of the screen is a candidate; of a patch z with
        few structures, whose power ``‖z‖²`` is below that of twice the noise, within margin times
        the square of the ratio of the two.
    middle_margin : float
        The same in 16 axes: candidates within so many nats of the best of them are left.
    estimator : {"map", "top_mean"}
        Filter of the best component, or the mean over the best, at most four, by their posterior
        probabilities.
    weighting : {"uniform", "confidence"}
        Weight of a patch estimate in the average: 1, or (1 + degrees of freedom of its filter)^-½.
    rank_tolerance : float
        The filter treats directions of variance at most so many times the noise variance alike.
    window_decay : float
        Steepness of the weight ``exp(-window_decay (u² + v²))`` of a pixel in its patch, u and v
        its distances from the middle in half-sides.
    coarse : float
        Share, in [0, 1], in which the low frequencies of the result are replaced by those of the
        noisy image at half its size, restored by the same settings with twice the stride (below
        the patch side): patches of one scale leave noise there (Papyan & Elad, Multi-scale
        patch-based image restoration, IEEE TIP 2016).
    n_scales : int
        Sizes of the image at most, in [1, 16]: its own, and with ``coarse`` > 0 its halves whose
        shorter side is at least 48 pixels.
    learned : bool
        Whether the result goes through the steps of a trained reaction diffusion at the end
        (`fastepll.models.ReactionDiffusion`), for gray patches; in denoising alone.

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
    n_scales: int = 16
    learned: bool = False

    def __post_init__(self) -> None:
        if self.estimator == "mean":  # type: ignore[comparison-overlap]
            warn('estimator="mean" of Settings is now called "top_mean"', DeprecationWarning)
            object.__setattr__(self, "estimator", "top_mean")
        checked = {
            "noise": check_numbers("noise", self.noise, 1e-6, 1e6),
            "blend": check_numbers("blend", self.blend, 1e-6, 1),
            "stride": check_count("stride", self.stride, 1, 16),
            "n_screen": check_count("n_screen", self.n_screen, 1, 1 << 20),
            "n_refine": check_count("n_refine", self.n_refine, 1, 1 << 20),
            "margin": check_number("margin", self.margin, 0, 1e6),
            "middle_margin": check_number("middle_margin", self.middle_margin, 0, 1e6),
            "rank_tolerance": check_number("rank_tolerance", self.rank_tolerance, 0, 1e6),
            "window_decay": check_number("window_decay", self.window_decay, 0, 100),
            "coarse": check_number("coarse", self.coarse, 0, 1),
            "n_scales": check_count("n_scales", self.n_scales, 1, MAX_SCALES),
            "learned": check_flag("learned", self.learned),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        check_choice("selection", self.selection, get_args(Selection))
        check_choice("estimator", self.estimator, get_args(PassEstimator))
        check_choice("weighting", self.weighting, get_args(Weighting))
        if len(self.noise) != len(self.blend):
            raise ValueError(
                f"blend must have one value for each of noise ({len(self.noise)}), "
                f"got {len(self.blend)}"
            )
        if self.n_screen > self.n_refine:
            raise ValueError(
                f"n_screen must be at most n_refine ({self.n_refine}), got {self.n_screen}"
            )

    @classmethod
    def from_betas(cls, betas: Sequence[float], **rest: Any) -> Settings:
        """Settings of the half-quadratic splitting with weights betas, in units of 1/sigma²."""
        return cls(**_schedule(betas), **rest)

    def with_betas(self, betas: Sequence[float]) -> Settings:
        """The same settings with another schedule, that of `from_betas`."""
        return replace(self, **_schedule(betas))

    @older_keywords({"scales": "n_scales"})
    def with_scales(self, n_scales: int, coarse: float) -> Settings:
        """The same settings with so many sizes; with that ``coarse`` where they have none."""
        return replace(self, n_scales=n_scales, coarse=self.coarse or coarse)

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
    options = {field.name: getattr(settings, field.name) for field in fields(PassOptions)}
    return Pass(noise_var=settings.noise[i] * (sigma * sigma), shift=(row, col), **options)


def _schedule(betas: Sequence[float]) -> dict[str, Any]:
    """Noise and blend of a pass from its weight beta."""
    values = check_numbers("betas", betas, 1e-6, 1e6)
    return {
        "noise": tuple(1 / beta for beta in values),
        "blend": tuple(beta / (1 + beta) for beta in values),
    }


EXACT = Settings.from_betas(BETAS)
"""The published method."""


def check_settings(quality: object, model: HasPatches) -> None:
    """Raise TypeError or ValueError unless it is a quality level or Settings for the model."""
    if isinstance(quality, Settings):
        check_stride(quality.stride, model)
    elif isinstance(quality, str):
        check_choice("quality", quality, get_args(Quality))
    else:
        raise TypeError(f"quality must be a string or Settings, got {type(quality).__name__}")
