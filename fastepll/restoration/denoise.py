"""denoise: a noisy image array in, the restored array out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastepll.priors.choice import Model
from fastepll.restoration.denoiser import Denoiser
from fastepll.solver.settings import Settings
from fastepll.typing import BackendName, DataRange, Poll, Quality


def denoise(
    image: ArrayLike,
    sigma: float | ArrayLike | None = None,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    alpha: bool = False,
    data_range: DataRange = None,
    betas: Sequence[float] | None = None,
    scales: int | None = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
) -> NDArray[Any]:
    """Remove white Gaussian noise from an image by EPLL.

    Parameters
    ----------
    image : array_like
        Gray (height, width), or with one more axis of channels, or several (``stack``). float16,
        float32, float64, or integers of 8, 16 or 32 bits; finite; at least as large as a patch of
        the model; not changed. Whatever has ``__array__`` will do, here and for sigma.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of the image. 0 returns a copy. An array
        (height, width) is one for each pixel, in all channels; where it is 0 pixels stay as they
        are, bit for bit, and where it is large, or inf for pixels that tell nothing, they are
        filled from those around them. None: `fastepll.estimate_sigma`, with a UserWarning where
        that is 0.
    model : str, path, GaussianMixture or other prior
        Prior of patches: a name of `fastepll.list_models`, a file, the mixture itself, or any
        object with ``patch_shape`` and either ``denoise(patches, sigma, estimator)`` or
        ``log_prob(patches)`` and ``score(patches)``, its gradient (`fastepll.priors`). Those that
        are no mixture are asked patch by patch in NumPy: of ``quality`` the grid and the schedule
        hold for them.
    quality : {"exact", "high", "balanced", "fast", "preview"} or Settings
        "exact" computes the published method. The others take fewer patches, approximate the choice
        of components and correct the low frequencies by the image at half its size, in a schedule
        tuned for each noise level: "high" restores best, "balanced" about as well as "exact" in a
        small part of its time, "fast" and "preview" a little worse and faster still.
        `fastepll.Settings` says in numbers what they do, and gives any other trade.
    channel_axis : int, optional
        Axis of the channels. A prior of colour patches (height, width, channels) restores them
        together, one of gray patches one by one in the orthonormal opponent planes of
        `fastepll.images.channels.opponent_planes`. None: the image is gray.
    stack : bool
        Whether the axes before the height count images, (..., height, width) without the axis of
        the channels, which may lie anywhere. Each is restored by itself, as a call of its own
        would; sigma may be an array of one number for each, or of one map for each.
    alpha : bool
        Whether the last channel is an alpha channel: it is returned as it is, the others as if it
        were not there.
    data_range : float or "auto", optional
        The intensity step from black to white. None: 255 for uint8, 65535 for uint16 (with a
        warning if no value is above 16383), 1 for floats, where values that contradict it are
        refused: those outside [-1, 2] by more than 5 times the noise, a mean outside it, sigma
        above 1. Other integers need it. "auto", of all images of a stack together: for integers
        2ⁿ - 1 with the least even n >= 8 such that neither two values nor a value and 0 are further
        apart (255, 1023, 4095, 16383, 65535, …); for floats 1 if that would not be refused, else
        the distance of the 0.1 and the 99.9 % quantile.
    betas : sequence of float, optional
        Weights of the splitting in units of 1/sigma², one pass of the prior each, in this order,
        in place of the schedule of ``quality``. (1, 4, 8, 16, 32) is the published one.
    scales : int, optional
        How many sizes of the image are restored, each half the one before: the smaller ones correct
        the low frequencies (Papyan & Elad 2016). None: as ``quality`` has it, 1 for "exact" and for
        the others as many as are 48 pixels or more.
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
    fastepll.Denoiser, fastepll.Settings, fastepll.estimate_sigma, fastepll.load_model

    Notes
    -----
    The result x approximately minimises, for the noisy image y, patches Pᵢx with their mean
    removed and the mixture density p,

    ``λ/2 ‖x - y‖² - Σᵢ log p(Pᵢx)``

    by half-quadratic splitting: with zᵢ free and beta growing, alternately over z and x,

    ``λ/2 ‖x - y‖² + Σᵢ (β/2 ‖Pᵢx - zᵢ‖² - log p(zᵢ))``.

    With "exact", the step over zᵢ takes the most probable component of the mixture and its Wiener
    filter; what the others do in its place is defined in ``fastepll/backends/reference.py``. In the
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
    denoiser = Denoiser(
        sigma,
        model=model,
        quality=quality,
        channel_axis=channel_axis,
        stack=stack,
        alpha=alpha,
        data_range=data_range,
        betas=betas,
        scales=scales,
        n_threads=n_threads,
        backend=backend,
    )
    return denoiser(image, progress=progress)
