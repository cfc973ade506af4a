"""The drop-in functions: an image array in, the restored array out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll import _check
from fastepll._check import Model
from fastepll._threads import resolve_threads
from fastepll.backends import get_backend
from fastepll.color import opponent_planes
from fastepll.epll import BETAS, denoise_plane
from fastepll.noise import relative_sigma
from fastepll.typing import BackendName, FloatArray, Poll, Quality

NEGLIGIBLE = 1e-6  # sigma / data_range below which the correction is lost in float32 rounding
ROWS = 64  # image rows converted at a time, so that no temporary has the size of the image


def denoise(
    image: ArrayLike,
    sigma: float | None = None,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality = "exact",
    channel_axis: int | None = None,
    data_range: float | None = None,
    betas: Sequence[float] | None = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
) -> NDArray[Any]:
    """Remove white Gaussian noise from an image by EPLL.

    Parameters
    ----------
    image : array_like
        Gray (height, width), or with one more axis of channels. float16, float32, float64, uint8
        or uint16; finite; at least as large as a patch of the model; not changed.
    sigma : float, optional
        Standard deviation of the noise in the units of the image. 0 returns a copy.
        None: `fastepll.estimate_sigma`.
    model : str, path or GaussianMixture
        Prior of gray patches: a name of `fastepll.list_models`, a file, or the mixture itself.
    quality : {"exact"}
        "exact" computes the written definition of the method.
    channel_axis : int, optional
        Axis of the channels. They are restored one by one in the orthonormal opponent planes of
        `fastepll.color.opponent_planes`. None: the image is gray.
    data_range : float, optional
        The intensity step from black to white. None: 255 for uint8, 65535 for uint16, 1 for
        floats, where an image whose mean lies outside [-1, 2] is refused.
    betas : sequence of float, optional
        Weights of the splitting in units of 1/sigma², one pass of the prior each, in this order.
        None: (1, 4, 8, 16, 32).
    n_threads : int, optional
        None: FASTEPLL_NUM_THREADS, else OMP_NUM_THREADS, else the processors at hand. The result
        does not depend on it.
    backend : {"native", "numba", "reference"}, optional
        None: the first of these that is installed.
    progress : callable, optional
        Called with the fraction done, in [0, 1], a few times a second; an exception that it
        raises ends the call.

    Returns
    -------
    numpy.ndarray
        A new array with shape, dtype and units of the image. Integers are rounded and clipped to
        their dtype, floats are not clipped. Arithmetic is in float32, but for the "reference"
        backend (float64).

    Raises
    ------
    TypeError
        An argument of the wrong kind (complex, object or boolean images among them).
    ValueError
        An argument of the right kind but a wrong shape or value; the message names it.

    See Also
    --------
    fastepll.estimate_sigma, fastepll.load_model

    Notes
    -----
    The result x approximately minimises, for the noisy image y, patches Pᵢx with their mean
    removed and the mixture density p,

    ``λ/2 ‖x - y‖² - Σᵢ log p(Pᵢx)``

    by half-quadratic splitting: with zᵢ free and beta growing, alternately over z and x,

    ``λ/2 ‖x - y‖² + Σᵢ (β/2 ‖Pᵢx - zᵢ‖² - log p(zᵢ))``.

    The step over zᵢ takes the most probable component of the mixture and its Wiener filter. In the
    step over x all pixels are trusted alike (λ is the number of patches over the pixel, divided by
    sigma²), which treats the border like the interior. Images below [0, 1] and above are fine:
    only differences within a patch matter.

    A 4096x4096 float32 image takes less than 300 MB beyond the image itself.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> clean = np.zeros((48, 48))
    >>> clean[:, 24:] = 1.0
    >>> noisy = clean + 0.1 * rng.standard_normal(clean.shape)
    >>> restored = fastepll.denoise(noisy, 0.1)
    >>> restored.dtype, restored.shape
    (dtype('float64'), (48, 48))
    >>> bool(np.std(restored - clean) < 0.3 * np.std(noisy - clean))
    True
    """
    array = _check.check_image(image, channel_axis)
    _check.check_quality(quality)
    engine = get_backend(_check.check_backend(backend))
    threads = resolve_threads(_check.check_threads(n_threads))
    schedule = _check.check_betas(betas, BETAS)
    report = _check.check_progress(progress)
    span = _check.check_data_range(data_range, array)
    noise = _check.check_sigma(sigma, span)
    mixture = _check.check_model(model, array, channel_axis)

    source = _check.channels_last(array, channel_axis)
    if noise is None:
        noise = relative_sigma(source, mixture, span)
    if noise < NEGLIGIBLE:
        if report is not None:
            report(1.0)
        return array.copy()
    planes = opponent_planes(source.shape[-1])
    restored = []
    for c, (analysis, gain) in enumerate(zip(planes.analysis, planes.gains, strict=True)):

        def report_plane(fraction: float, c: int = c) -> None:
            if report is not None:
                report((c + fraction) / len(planes.gains))

        restored.append(
            denoise_plane(
                to_plane(source, analysis / span, engine.dtype),
                mixture,
                noise * float(gain),
                betas=schedule,
                backend=engine,
                n_threads=threads,
                progress=None if report is None else report_plane,
            )
        )
    result = np.empty(array.shape, array.dtype)
    from_planes(restored, planes.synthesis * span, _check.channels_last(result, channel_axis))
    return result


def to_plane(
    image: NDArray[Any], weights: NDArray[np.float64], dtype: type[np.floating[Any]]
) -> FloatArray:
    """Weighted sum of the channels of (height, width, channels), a new C-contiguous array."""
    plane = np.empty(image.shape[:2], dtype)
    for start in range(0, len(image), ROWS):
        rows = slice(start, start + ROWS)
        plane[rows] = image[rows].astype(np.float64) @ weights
    return plane


def from_planes(planes: list[FloatArray], mix: NDArray[np.float64], out: NDArray[Any]) -> None:
    """Fill (height, width, channels) with ``mix @ planes``, rounded and clipped for integers."""
    for start in range(0, len(out), ROWS):
        rows = slice(start, start + ROWS)
        values = np.stack([plane[rows] for plane in planes], axis=-1) @ mix.T
        if out.dtype.kind == "u":
            limits = np.iinfo(out.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        out[rows] = values
