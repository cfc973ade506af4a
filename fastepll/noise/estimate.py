"""Estimation of the noise level of an image."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from fastepll._threads import resolve_threads
from fastepll._validation.arguments import check_threads
from fastepll._validation.images import check_fit, check_image, check_layout
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll._warnings import warn
from fastepll.images.batch import colours_and_alpha
from fastepll.images.channels import channels_last, in_one_plane
from fastepll.models import GaussianMixture, load_model
from fastepll.noise.bands import Bands, bands_of, patch_statistics
from fastepll.noise.clipped import unclipped
from fastepll.priors.choice import Model, check_model
from fastepll.typing import DataRange, FloatArray, IntArray

if TYPE_CHECKING:
    from fastepll.models.adapted import PatchModel

Indices = NDArray[np.intp]

GRAY = "gray-8x8-200"
N_CANDIDATES = 40_000  # patches looked at per channel, and up to 4 times as many if most are no use
N_SMOOTH = 512  # of which the smoothest enter the estimate
FEWEST = 1 / 256  # of the candidates: where fewer are of use there is nothing to estimate from
SIDES = {2: 3.0, 3: 1.2, 4: 0.7, 6: 0.45, 8: 0.32, 12: 0.22, 16: 0.0}
"""Side of a square of equal pixels that is no noise, and the sigma / step from which on it is not.

Below that, noise rounded to multiples of the step makes such squares itself, in more than a few
percent of the patches.
"""
TEXTURED = 0.4
"""Where texture made the first guess too large, the likelihood makes good 1 / 1.4 of it, in logs.

Fitted to 120 images of bsds300/train at sigma 5 and 10, whole and with 60 % of flat area.
"""
STEP = 1.01
"""Ratio of the answers, so that frames of a video share tables.

On bsd68 half a step too much costs `fastepll.denoise` at most 0.0021 dB (sigma 50), and half a step
either way 0.0007 dB on average: ``python bench/snapping.py``.
"""
LEAST, MOST = 8e-5, 4.0  # in units of the data range: 8e-5 is 0.02 grey levels
WHY_ZERO = (
    "sigma was estimated as 0: the image is smooth to 8e-5 of the data range, or nearly all of it "
    "is exactly equal pixels (drawn, saturated, or enlarged by repeating pixels)"
)


@overload
def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = ...,
    channel_axis: int | None = ...,
    stack: Literal[False] = ...,
    spatial_axes: int = ...,
    alpha: bool = ...,
    data_range: DataRange = ...,
    n_threads: int | None = ...,
) -> float: ...


@overload
def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = ...,
    channel_axis: int | None = ...,
    stack: bool,
    spatial_axes: int = ...,
    alpha: bool = ...,
    data_range: DataRange = ...,
    n_threads: int | None = ...,
) -> float | NDArray[np.float64]: ...


def estimate_sigma(
    image: ArrayLike,
    *,
    model: Model = "gray-8x8-200",
    channel_axis: int | None = None,
    stack: bool = False,
    spatial_axes: int = 2,
    alpha: bool = False,
    data_range: DataRange = None,
    n_threads: int | None = None,
) -> float | NDArray[np.float64]:
    """Estimate the standard deviation of white Gaussian noise in a photograph.

    Parameters
    ----------
    image, model, channel_axis, stack, spatial_axes, alpha, data_range, n_threads
        As for `fastepll.denoise`; a volume is looked at slice below slice. In place of a model that
        is no mixture of gray patches the default one is taken.

    Returns
    -------
    float, or array of float for a stack
        In the units of the image, rounded to a power of 1.01 times the data range; what
        `fastepll.denoise` takes where no sigma is given. With channels, the root mean square over
        those in which there is noise. 0.0 when it is below 8e-5 of the data range, or when the
        image consists of exactly equal pixels but for less than 1/256 of its patches.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`.

    Notes
    -----
    Of about 40000 patches all over the image (the same image gives the same answer) the 512 with
    the least squared norm of the low DCT frequencies z_L are kept, and sigma maximises the
    likelihood of their high frequencies z_H under the mixture, given the low ones::

        Σ log p(z_H | z_L; σ) = Σ log p(z; σ) - log p(z_L; σ),   p(z; σ) = Σₖ wₖ N(z; 0, Dₖ + σ²I)

    Dₖ is the diagonal of component k in the DCT, averaged over bands of frequency. Conditioning
    makes the choice of smooth patches free of selection bias, and the mixture accounts for the
    texture that smooth patches still have.

    Areas without noise do not count: patches are left out where they touch a square of exactly
    equal pixels (a bar, a gap, padding, a saturated sky) too large to be noise rounded to integers,
    or where several pixels tie for the smallest or the largest value (clipped noise). Rounding to
    integers adds 1/12 to the variance and is noise like any other.

    Noise that is not white (a photograph that was resized, filtered or compressed) or whose level
    varies over the image is outside the model.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> ramp = np.linspace(0.2, 0.8, 128) * np.ones((128, 1))
    >>> sigma = fastepll.estimate_sigma(ramp + 0.1 * rng.standard_normal(ramp.shape))
    >>> 0.095 < sigma < 0.105
    True
    """
    layout = check_layout(stack=stack, spatial_axes=spatial_axes, alpha=alpha)
    array = check_image(image, channel_axis, **layout)
    mixture = gray_mixture(check_model(model))
    source = channels_last(array, channel_axis)
    source = colours_and_alpha(source)[0] if alpha else source
    check_fit(source.shape[-spatial_axes - 1 :], mixture)
    data_range = check_intensities(source, check_data_range(data_range))
    threads = resolve_threads(check_threads(n_threads))
    sigmas = np.empty(source.shape[: -spatial_axes - 1])
    for i in np.ndindex(sigmas.shape):
        plane = in_one_plane(source[i])
        sigmas[i] = data_range * relative_sigma(plane, mixture, data_range, threads)
    return sigmas if stack else float(sigmas)


def gray_mixture(model: PatchModel) -> GaussianMixture:
    """The model if it is a mixture of gray patches, else the default one."""
    usable = isinstance(model, GaussianMixture) and len(model.patch_shape) == 2
    return cast("GaussianMixture", model) if usable else load_model(GRAY)


def sigma_for(image: NDArray[Any], model: PatchModel, data_range: float, n_threads: int) -> float:
    """Sigma in units of data_range, as who passes on what `estimate_sigma` returns has it."""
    sigma = data_range * relative_sigma(image, gray_mixture(model), data_range, n_threads)
    if sigma == 0:
        warn(f"{WHY_ZERO}; it is returned as it is. If it has noise, pass sigma")
    return sigma if data_range == 1 else sigma / data_range


def relative_sigma(
    image: NDArray[Any],
    model: GaussianMixture,
    data_range: float,
    n_threads: int,
    unknown: NDArray[np.bool_] | None = None,
) -> float:
    """Sigma in units of data_range, of (height, width, channels), rounded to a power of `STEP`.

    Patches with ``unknown`` pixels (height, width) do not count.
    """
    bands = bands_of(model)
    sigmas = np.array(
        [
            channel_sigma(image[..., c], bands, data_range, n_threads, unknown)
            for c in range(image.shape[-1])
        ]
    )
    sigmas = sigmas[sigmas >= LEAST]  # other channels, alpha say, tell nothing of the noise
    if len(sigmas) == 0:
        return 0.0
    sigma = min(math.sqrt(np.mean(np.square(sigmas))), MOST)
    return float(STEP ** round(math.log(sigma, STEP)))


def channel_sigma(
    plane: NDArray[Any],
    bands: Bands,
    data_range: float,
    n_threads: int,
    unknown: NDArray[np.bool_] | None = None,
) -> float:
    """Sigma in units of data_range, of one channel, 0.0 where there is no noise."""
    plane = np.ascontiguousarray(plane, np.float32)
    corners, sigma = smooth_patches(plane, bands, n_threads, unknown)
    if sigma == 0:
        return 0.0
    sigma /= data_range
    patches = sliding_window_view(plane, bands.shape)[corners[:, 0], corners[:, 1]]
    squared_norms = bands.squared_norms(patches) / data_range**2

    grid = sigma * 1.1 ** np.arange(-11.0, 3.0)  # texture makes the first guess too large
    best = int(bands.log_likelihood(squared_norms[::4], grid, n_threads).argmax())
    ratio, middle = 1.05, grid[best]
    for _ in range(4):
        fine = middle * ratio ** np.arange(-2.0, 3.0)
        values = bands.log_likelihood(squared_norms, fine, n_threads)
        best = int(values.argmax())
        if 0 < best < 4:
            break
        middle = fine[best]
    best = min(max(best, 1), 3)
    left, top, right = values[best - 1 : best + 2]
    curvature = left - 2 * top + right
    offset = 0.5 * (left - right) / curvature if curvature < 0 else 0.0  # vertex in log sigma
    found = fine[best] * ratio ** np.clip(offset, -1, 1)
    found *= (found / sigma) ** (TEXTURED * len(patches) / N_SMOOTH)
    return (
        unclipped(found * data_range, patches, float(plane.min()), float(plane.max())) / data_range
    )


def smooth_patches(
    plane: FloatArray, bands: Bands, n_threads: int, unknown: NDArray[np.bool_] | None
) -> tuple[IntArray, float]:
    """Corners (n, 2) of the smoothest patches with noise, and a first guess of sigma.

    What is no noise depends on sigma / step, and sigma on what is no noise: sides of squares are
    tried until one fits the sigma that it leads to. sigma is 0 if none does.
    """
    options: dict[str, Any] = {"n_threads": n_threads, "unknown": unknown}
    corners = candidates(plane.shape, bands.shape, N_CANDIDATES)
    for above, (side, least) in zip((math.inf, *SIDES.values()), SIDES.items(), strict=False):
        found = inspected(plane, corners, bands, side, **options)
        share = float(np.isfinite(found[:, 0]).mean())
        if share < FEWEST:
            continue
        chosen = smoothest(found, math.inf)
        step = quantisation(plane, corners[chosen], bands.shape)
        for _ in range(3):
            sigma = guess(found[chosen], bands)
            ratio = sigma / step if step > 0 else math.inf
            most_ties = 2 + 5 / ratio if ratio > 0 else math.inf
            if (found[chosen, 2] <= most_ties).all():
                break
            chosen = smoothest(found, most_ties)
        if not least <= ratio <= 1.5 * above:
            continue
        if share < 0.6 and side == 2:  # not for the slow cases
            more = candidates(plane.shape, bands.shape, N_CANDIDATES / max(share, 0.25))
            if len(more) > len(corners):
                corners, found = more, inspected(plane, more, bands, side, **options)
                chosen = smoothest(found, most_ties)
        return corners[chosen], guess(found[chosen], bands)
    return corners[:0], 0.0


def inspected(
    plane: FloatArray,
    corners: IntArray,
    bands: Bands,
    side: int,
    *,
    n_threads: int,
    unknown: NDArray[np.bool_] | None,
) -> FloatArray:
    """What `patch_statistics` finds; patches of two values, say, are no noise either."""
    found = patch_statistics(plane, corners, bands, side, n_threads)
    if unknown is not None:
        before = np.pad(np.cumsum(np.cumsum(unknown, axis=0), axis=1), ((1, 0), (1, 0)))
        (top, left), (bottom, right) = corners.T, (corners + bands.shape).T
        count = before[bottom, right] - before[top, right] - before[bottom, left]
        found[count + before[top, left] > 0, 0] = np.inf
    if side <= 4:  # with larger squares allowed they may be noise rounded to few steps
        found[found[:, 2] > 0.4 * math.prod(bands.shape), 0] = np.inf
    return found


@lru_cache(maxsize=4)
def candidates(shape: tuple[int, ...], patch: tuple[int, int], wanted: float) -> IntArray:
    """Corners (n, 2) of patches: all, or one at a random place in each of about n square cells."""
    rows, cols = (n - p + 1 for n, p in zip(shape, patch, strict=True))
    side = math.ceil(math.sqrt(rows * cols / wanted))
    y, x = np.arange(0, rows, side), np.arange(0, cols, side)
    corners = np.empty((len(y), len(x), 2), np.int32)
    corners[..., 0], corners[..., 1] = y[:, None], x
    if side > 1:
        corners += np.random.default_rng(0).integers(side, size=corners.shape, dtype=np.int32)
        np.minimum(corners, np.array((rows - 1, cols - 1), np.int32), out=corners)
    result = corners.reshape(-1, 2)
    result.flags.writeable = False  # other calls have the same
    return result


def smoothest(found: FloatArray, most_ties: float) -> Indices:
    """Which of the inspected patches have least roughness, of those that are of use."""
    roughness = found[:, 0]
    if most_ties < math.inf:
        without = np.where(found[:, 2] <= most_ties, roughness, np.float32(np.inf))
        if np.count_nonzero(without < np.inf) >= FEWEST * len(found):
            roughness = without
    usable = int(np.count_nonzero(roughness < np.inf))
    n = min(N_SMOOTH, max(usable // 20, min(usable, 128)))
    return np.sort(np.argpartition(roughness, n - 1)[:n])


def guess(found: FloatArray, bands: Bands) -> float:
    """Sigma if there were no texture, by the median of the high frequencies."""
    return math.sqrt(float(np.median(found[:, 1])) / (len(bands.high) - 2 / 3))


def quantisation(plane: FloatArray, corners: IntArray, shape: tuple[int, int]) -> float:
    """Step between neighbouring values: small, not smallest, since steps may vary."""
    rows, cols = corners[::4].T
    differences = np.abs(np.diff(sliding_window_view(plane, shape)[rows, cols], axis=-1))
    differences = differences[differences > 0]
    rank = len(differences) // 50
    return float(np.partition(differences, rank)[rank]) if len(differences) else 0.0
