"""Validation of intensities: what step from black to white an image has, and whether it fits.

Arrays are images (..., height, width, channels), or measurements that are none; sigma is a number
or an array that goes with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.arguments import check_number
from fastepll._warnings import warn
from fastepll.typing import DataRange

Response: TypeAlias = "tuple[float, float]"
"""Least and largest value that is measured of images in [0, 1]; (0, 1) of the image itself."""

MAX_RATIO = 1e4  # of |intensity| to data_range: beyond, float32 arithmetic has no digits left
LOWEST, HIGHEST = -1.0, 2.0  # of a float image in [0, 1] but for noise and overshoot
DEVIATIONS = 5.0  # of the noise, by which it may leave that
FEW = (1 << 14) - 1  # the largest value of 14 bits, of which uint16 often has no more
SAMPLE = 1 << 20  # values, about, of which quantiles are taken
RARE = 1e-3  # of the values are below, and above, those that "auto" takes for black and white
MAD = 0.6745  # median of |n| for normal noise n of standard deviation 1


def check_data_range(data_range: DataRange) -> DataRange:
    """Return the step from black to white, None or "auto" to take it from the image."""
    if data_range is None:
        return None
    if isinstance(data_range, str):
        if data_range != "auto":
            raise TypeError(
                f'data_range must be a real number, "auto" or None, got the str {data_range!r}'
            )
        return data_range
    return check_number("data_range", data_range, 1e-30, 1e30)


def check_intensities(
    array: NDArray[Any],
    data_range: DataRange,
    name: str = "image",
    *,
    sigma: Any = None,
    response: Response | None = (0.0, 1.0),
) -> float:
    """Return the step from black to white of a checked image whose intensities fit it.

    ``sigma``, None where it is not known, explains what leaves [0, 1]. Without a ``response`` the
    array is no image: nothing but what its dtype tells is asked of its values.
    """
    kind = array.dtype
    if data_range is None and kind == np.uint8:
        return 255.0
    extremes = float(array.min()), float(array.max())
    if data_range == "auto":
        many = sigma if np.ndim(sigma) == 0 else sample_of(np.broadcast_to(sigma, array.shape))
        values = Values(name, sample_of(array), *extremes, many, response)
        data_range = values.auto_range()
    else:
        values = Values(name, array, *extremes, sigma, response)
        if data_range is None:
            data_range = values.assumed_range()
    largest, most = max(values.high, -values.low), MAX_RATIO * data_range * values.white
    exact = kind.kind in "iu" and kind.itemsize <= 2  # in float32
    if largest > most and not exact and response is not None:
        raise ValueError(
            f"{name} must stay within {MAX_RATIO:g} times data_range ({data_range:g}), "
            f"got a value of magnitude {largest:.4g}"
        )
    return data_range


@dataclass(frozen=True, eq=False)
class Values:
    """Intensities, or a sample, their extremes, what is known of their noise and their origin."""

    name: str
    array: NDArray[Any]
    low: float
    high: float
    sigma: Any
    response: Response | None

    def __post_init__(self) -> None:
        """Raise ValueError unless they are finite."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"{self.name} must be finite, got NaN or infinite values")

    def assumed_range(self) -> float:
        """The range that goes with the dtype, unless the values contradict it."""
        kind = self.array.dtype
        name, told = self.name, f"values from {self.low:.4g} to {self.high:.4g}"
        if kind.kind == "f":
            if self.response is None or self.fits():
                return 1.0
            level, noise = self.level, ""
            if level > self.white:
                noise = (
                    f" and sigma {level:.4g}, more than from black to white; it is in the units of "
                    "the image, so 25 on the 0-255 scale is 25/255 for an image in [0, 1]"
                )
            raise ValueError(
                f"data_range must be given for a float {name} that is not in [0, 1], got None, "
                f"{told}{noise}; if its white is {self.depth}, pass data_range={self.depth}"
            )
        if kind.name not in ("uint8", "uint16"):
            raise ValueError(
                f"data_range must be given for the {name} of {kind}, got None and {told}; pass the "
                f"step from black to white, or 'auto', here {self.depth}"
            )
        if kind.itemsize == 2 and self.high <= FEW:
            warn(
                f"data_range is taken to be 65535 for this {name} of uint16, whose largest value "
                f"is {self.high:.0f}; if its white is {self.depth}, pass data_range={self.depth}"
            )
        return float(np.iinfo(kind).max)

    def auto_range(self) -> float:
        """The range that ``data_range="auto"`` stands for; see `fastepll.denoise`."""
        if self.response is None:
            raise ValueError(
                f"data_range must be a number where {self.name} is no image, got 'auto'"
            )
        if self.array.dtype.kind != "f":
            return float(self.depth)
        if self.fits():
            return 1.0
        black, white = np.quantile(sample_of(self.array).astype(np.float64), [RARE, 1 - RARE])
        gain = max(self.response[1], -self.response[0])
        return float(white - black or max(self.high, -self.low)) / (gain or 1.0)

    @property
    def depth(self) -> int:
        """2ⁿ - 1 for the least even n >= 8 such that all the values lie no further apart, and 0.

        Of floats, which have noise beyond black and white, for the nearest.
        """
        apart = min(max(self.high, 0) - min(self.low, 0), np.iinfo(np.uint32).max)
        steps = (math.log2(apart + 1) - 8) / 2
        n = round(steps) if self.array.dtype.kind == "f" else math.ceil(steps)
        return int(2 ** (8 + 2 * max(n, 0)) - 1)

    @property
    def level(self) -> float:
        """Median of sigma where it is known and finite, else 0."""
        if self.sigma is None:
            return 0.0
        finite = np.asarray(self.sigma)[np.isfinite(self.sigma)]
        return float(np.median(finite)) if finite.size else 0.0

    @property
    def white(self) -> float:
        """Largest magnitude that is measured of an image in [0, 1], at least 1."""
        least, most = self.response or (0.0, 1.0)
        return max(1.0, most, -least)

    def fits(self) -> bool:
        """Whether a float image may be in [0, 1], but for its noise and some overshoot."""
        least, most = self.response or (0.0, 1.0)
        if self.level > self.white:
            return False
        floor, top = most * LOWEST + least * HIGHEST, most * HIGHEST + least * LOWEST
        if floor <= self.low and self.high <= top:
            return True
        with np.errstate(over="ignore", invalid="ignore"):
            if not floor <= float(self.array.mean(dtype=np.float64)) <= top:
                return False
            room = DEVIATIONS * np.asarray(0.0 if self.sigma is None else self.sigma)
            if ((floor - room <= self.array) & (self.array <= top + room)).all():
                return True
            wide = DEVIATIONS * min(noise_like(self.array), self.white)
        return floor - wide <= self.low and self.high <= top + wide


def sample_of(array: Any) -> Any:
    """About `SAMPLE` values of an array: of its two longest axes every so many."""
    step = math.ceil(math.sqrt(max(array.size / SAMPLE, 1)))
    longest = np.argsort(array.shape, kind="stable")[-2:]
    return array[tuple(slice(None, None, step if k in longest else 1) for k in range(array.ndim))]


def noise_like(array: NDArray[Any]) -> float:
    """About the standard deviation of white noise in (..., height, width, channels), or more.

    Where neighbours are exactly equal there is none, whatever there is elsewhere.
    """
    if array.ndim < 3 or min(array.shape[-3:-1]) < 2:
        return 0.0
    step, rows = max(1, array.size // SAMPLE), array.shape[-3]
    upper, lower = (array[..., k : rows - 1 + k : step, :, :].astype(np.float64) for k in (0, 1))
    differences = np.abs(np.diff(lower - upper, axis=-2))
    differences = differences[differences > 0]
    return float(np.median(differences)) / (2 * MAD) if differences.size else 0.0
