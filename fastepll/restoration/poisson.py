"""Counts of photons: noise that grows with the intensity, made even and back."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.arguments import check_number, real, real_array
from fastepll._validation.images import check_image, check_layout
from fastepll.images.batch import colours_and_alpha
from fastepll.images.channels import channels_last
from fastepll.restoration.denoiser import Denoiser
from fastepll.restoration.options import PoissonOptions, takes
from fastepll.typing import Poll

if TYPE_CHECKING:
    from typing_extensions import Unpack

MOST = 400.0  # events; where variances are above, a series takes the place of the table
STEP = 0.05  # of the table in √intensity
TAIL = 9.0  # standard deviations that sums go to


def generalized_anscombe(
    counts: ArrayLike, gain: float = 1.0, sigma: float = 0.0, offset: float = 0.0
) -> NDArray[np.float64]:
    """Make Poisson-Gaussian noise nearly Gaussian of standard deviation 1.

    Parameters
    ----------
    counts : array_like
        ``gain * events + offset + sigma * n``: the events have a Poisson distribution, n a normal
        one.
    gain : float
        Units of the counts for each event, > 0.
    sigma : float
        Standard deviation of the noise that does not depend on the intensity, in units of the
        counts; >= 0.
    offset : float
        Counts where there is no light.

    Returns
    -------
    numpy.ndarray
        ``2 √(u + 3/8 + s²)`` for u = (counts - offset) / gain and s = sigma / gain, 0 where the
        root is of a negative number.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong kind, or out of range.

    References
    ----------
    M. Mäkitalo, A. Foi, Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise, IEEE TIP 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.restoration.poisson import generalized_anscombe
    >>> counts = np.random.default_rng(0).poisson(20, 10000)
    >>> bool(abs(np.std(generalized_anscombe(counts)) - 1) < 0.02)
    True
    """
    gain, s, offset = check_noise(gain, sigma, offset)
    array = check_counts("counts", counts)
    events = (array - offset) / gain
    result: NDArray[np.float64] = 2 * np.sqrt(np.maximum(events + 3 / 8 + s * s, 0))
    return result


def inverse_generalized_anscombe(
    values: ArrayLike, gain: float = 1.0, sigma: float = 0.0, offset: float = 0.0
) -> NDArray[np.float64]:
    """Expected counts from the expectation of their `generalized_anscombe`: its unbiased inverse.

    Parameters
    ----------
    values : array_like
        Means of transformed counts, as a denoiser estimates them.
    gain, sigma, offset
        As for `generalized_anscombe`.

    Returns
    -------
    numpy.ndarray
        ``offset + gain * m``: the transformed counts of m expected events have that mean. 0 events
        for means below those of 0 events.

    Raises
    ------
    TypeError, ValueError
        As `generalized_anscombe`.

    Notes
    -----
    Up to 400 events the mean is summed over the Poisson and integrated over the normal
    distribution at many m, and the inverse interpolates between them with the derivatives that the
    same sums give, to 1e-6 of an event. Above, it is the inverse of a series in 1 / m.

    References
    ----------
    M. Mäkitalo, A. Foi, Optimal inversion of the Anscombe transformation in low-count Poisson
    image denoising, IEEE TIP 2011; and of the generalized one, IEEE TIP 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.restoration.poisson import generalized_anscombe, inverse_generalized_anscombe
    >>> counts = np.random.default_rng(0).poisson(0.5, 100000)
    >>> mean = generalized_anscombe(counts).mean()
    >>> bool(abs(inverse_generalized_anscombe(mean) - 0.5) < 0.01)
    True
    """
    gain, s, offset = check_noise(gain, sigma, offset)
    return offset + gain * events_of(check_counts("values", values), s)


@takes(PoissonOptions)
def denoise_poisson(
    counts: ArrayLike,
    gain: float = 1.0,
    sigma: float = 0.0,
    offset: float = 0.0,
    *,
    peak: float | None = None,
    progress: Poll | None = None,
    **options: Unpack[PoissonOptions],
) -> NDArray[np.float64]:
    """Remove Poisson-Gaussian noise from an image by EPLL.

    Parameters
    ----------
    counts, gain, sigma, offset
        As for `generalized_anscombe`; the counts are an image, as for `fastepll.denoise`, of any
        real type.
    peak : float, optional
        Counts where the image is white, above ``offset``. None: the largest mean of 8×8 pixels.
    {options}

    Returns
    -------
    numpy.ndarray
        Expected counts, float64, in the shape and units of the counts.

    Raises
    ------
    TypeError, ValueError
        As `generalized_anscombe` and `fastepll.denoise`.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> clean = np.full((48, 48), 2.0)
    >>> clean[:, 24:] = 10.0
    >>> counts = np.random.default_rng(0).poisson(clean)
    >>> restored = fastepll.denoise_poisson(counts)
    >>> bool(np.std(restored - clean) < 0.4 * np.std(counts - clean))
    True
    """
    gain, s, offset = check_noise(gain, sigma, offset)
    array = check_counts("counts", counts)
    axis, alpha = options["channel_axis"], options["alpha"]
    layout = check_layout(stack=options["stack"], spatial_axes=options["spatial_axes"], alpha=alpha)
    check_image(array, axis, "counts", **layout)
    planes = channels_last(array, axis)
    if alpha:
        planes, opacity = colours_and_alpha(planes)
    white = largest_mean(planes) if peak is None else real("peak", peak)
    if white <= offset and peak is not None:
        raise ValueError(f"peak must be above offset ({offset:g}), got {peak!r}")
    even = generalized_anscombe(array, gain, sigma, offset)
    black, top = generalized_anscombe([offset, max(white, offset + gain)], gain, sigma, offset)
    denoiser = Denoiser(1.0, data_range=float(top - black), **options)
    restored = denoiser(even, progress=progress)
    result = offset + gain * events_of(restored, s)
    if alpha:
        colours_and_alpha(channels_last(result, axis))[1][...] = opacity
    return result


def check_noise(gain: float, sigma: float, offset: float) -> tuple[float, float, float]:
    """Gain, sigma in events, offset."""
    factor = check_number("gain", gain, 1e-30, 1e30)
    deviation = real("sigma", sigma)
    if deviation < 0:
        raise ValueError(f"sigma must be >= 0, got {sigma!r}")
    return factor, deviation / factor, real("offset", offset)


def check_counts(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers."""
    array: NDArray[Any] = real_array(name, values).astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinite values")
    return array


def largest_mean(image: NDArray[np.float64], side: int = 8) -> float:
    """Of blocks of (..., height, width, channels), left over pixels not counted."""
    height, width = (n // side for n in image.shape[-3:-1])
    if height == 0 or width == 0:
        return float(image.max())
    cut = image[..., : height * side, : width * side, :]
    shape = (*image.shape[:-3], height, side, width, side, image.shape[-1])
    return float(cut.reshape(shape).mean(axis=(-4, -2)).max())


def events_of(values: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Expected events from the mean of their transform, for normal noise of s events."""
    if s * s >= MOST:
        return far(values, s)
    means, slopes, events = table(s)
    root = np.interp(values, means, np.arange(len(means)))
    k = np.clip(root.astype(np.intp), 0, len(means) - 2)
    width = means[k + 1] - means[k]
    t = np.clip((values - means[k]) / width, 0, 1)
    low, high = events[k], events[k + 1]
    result = (  # cubic Hermite interpolation
        (1 + 2 * t) * (1 - t) ** 2 * low
        + t * t * (3 - 2 * t) * high
        + width * t * (1 - t) * ((1 - t) / slopes[k] - t / slopes[k + 1])
    )
    return np.where(values > means[-1], far(np.maximum(values, means[-1]), s), result)


def far(values: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """The inverse for many events: mean ≈ 2√v - (m + s²)/(4 v^1.5) + …, v = m + 3/8 + s²."""
    m = values**2 / 4 - 1 / 8 - s * s
    for _ in range(4):
        m = np.maximum(m, 0)
        m -= (expansion(m, s) - values) * np.sqrt(m + s * s)
    return np.maximum(m, 0)


def expansion(m: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Mean of the transform for m events, from the first four central moments."""
    v, second = m + 3 / 8 + s * s, m + s * s
    return np.asarray(
        2
        * np.sqrt(v)
        * (1 - second / (8 * v**2) + m / (16 * v**3) - 5 * (3 * second**2 + m) / (128 * v**4))
    )


@lru_cache(maxsize=16)
def table(s: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means of the transform, their derivatives, and the events, both rising from 0 events on."""
    events = np.arange(0, np.sqrt(MOST) + STEP, STEP) ** 2
    most = int(events[-1] + TAIL * np.sqrt(events[-1]) + 30)
    k = np.arange(most + 2)
    of_count = conditional(k.astype(np.float64), s)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(k[1:-1]))])
    means, slopes = np.empty_like(events), np.empty_like(events)
    for i, m in enumerate(events):
        probability = np.exp(k[:-1] * np.log(max(m, 1e-300)) - m - log_factorial)
        means[i] = probability @ of_count[:-1]
        slopes[i] = probability @ np.diff(of_count)
    return means, slopes, events


def conditional(counts: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Mean over the normal noise of the transform, for each number of events."""
    if s == 0:
        return np.asarray(2 * np.sqrt(counts + 3 / 8))
    n = np.linspace(-TAIL, TAIL, 4001)
    weights = np.exp(-(n**2) / 2)
    weights /= weights.sum()
    result = np.empty_like(counts)
    for i, count in enumerate(counts):
        result[i] = weights @ (2 * np.sqrt(np.maximum(count + 3 / 8 + s * (s + n), 0)))
    return result
