"""denoise: a noisy image array in, the restored array out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_keywords
from fastepll.restoration.denoiser import Denoiser
from fastepll.restoration.options import DenoiserOptions, takes
from fastepll.typing import Poll

if TYPE_CHECKING:
    from typing_extensions import Unpack


@older_keywords({"scales": "n_scales"})
@takes(DenoiserOptions)
def denoise(
    image: ArrayLike,
    sigma: float | ArrayLike | None = None,
    *,
    betas: Sequence[float] | None = None,
    n_scales: int | None = None,
    progress: Poll | None = None,
    **options: Unpack[DenoiserOptions],
) -> NDArray[Any]:
    """Remove white Gaussian noise from an image by EPLL.

    Parameters
    ----------
    image : array_like
        Gray (height, width), or with one more axis of channels, or several (``stack``), or a volume
        (``spatial_axes``). float16, float32, float64, or integers of 8, 16 or 32 bits; finite; at
        least as large as a patch of the model; not changed. Whatever has ``__array__`` will do,
        here and for sigma.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of the image. 0 returns a copy. An array
        (height, width) is one for each pixel, in all channels; where it is 0 pixels stay as they
        are, bit for bit, and where it is large, or inf for pixels that tell nothing, they are
        filled from those around them. None: `fastepll.estimate_sigma`, with a UserWarning where
        that is 0.
    betas : sequence of float, optional
        Weights of the splitting in units of 1/sigma², one pass of the prior each, in this order,
        in place of the schedule of ``quality``. (1, 4, 8, 16, 32) is the published one.
    n_scales : int, optional
        How many sizes of the image are restored, each half the one before: the smaller ones correct
        the low frequencies (Papyan & Elad 2016). None: as ``quality`` has it, 1 for "exact" and for
        the others as many as are 48 pixels or more; 1 for a volume.
    {options}

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
    sigma²), which treats the border like the interior. The steps of "learned", which minimise
    nothing, are defined in ``fastepll/backends/diffusion.py``. Images below [0, 1] and above are
    fine: only differences within a patch matter.

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
    return Denoiser(sigma, betas=betas, n_scales=n_scales, **options)(image, progress=progress)
