"""What EPLL minimises: the log-likelihood of all patches of an image, and its fit to data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_order
from fastepll._validation.images import check_image
from fastepll._validation.intensities import check_intensities
from fastepll._validation.measurements import check_measurement
from fastepll._validation.sigma import beside, check_sigma, scale_sigma, sigma_of_images
from fastepll.images.channels import channels_last
from fastepll.operators import Identity, Operator
from fastepll.priors.choice import check_model
from fastepll.restoration.likelihood import Likelihood
from fastepll.restoration.measurement import check_implied, gain_of
from fastepll.restoration.options import ProbabilityOptions, takes
from fastepll.typing import FloatArray

if TYPE_CHECKING:
    from typing_extensions import Unpack


@takes(ProbabilityOptions)
def expected_patch_log_likelihood(
    image: ArrayLike,
    *,
    sigma: float = 0.0,
    **options: Unpack[ProbabilityOptions],
) -> float:
    """Sum of the log densities of all overlapping patches of an image, Σᵢ log p(Pᵢx), in nats.

    Parameters
    ----------
    image : array_like
        As for `fastepll.denoise`.
    sigma : float
        Standard deviation, in the units of the image, of white noise that the density p is that of
        patches with. 0: clean patches.
    {options}

    Returns
    -------
    float
        Intensities are scaled by the data range to [0, 1] first, and each patch counts by the
        density of its d - 1 coefficients orthogonal to the constant patch. All components of the
        mixture count, not the best alone.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`; ValueError too for a model that is singular along more than the
        constant patch, without noise.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011, equation 2.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> ramp = np.linspace(0.2, 0.8, 64) * np.ones((64, 1))
    >>> noisy = ramp + 0.1 * np.random.default_rng(0).standard_normal(ramp.shape)
    >>> smooth, rough = map(fastepll.expected_patch_log_likelihood, (ramp, noisy))
    >>> smooth > rough
    True
    """
    return Likelihood.of(image, sigma, options).value()


@older_order(
    "image",
    "y",
    "operator",
    "sigma",
    when=lambda args: len(args) > 3,
    now="objective(image, y, operator, sigma=sigma)",
)
@takes(ProbabilityOptions)
def objective(
    image: ArrayLike,
    y: ArrayLike,
    operator: Operator | None = None,
    *,
    sigma: float | ArrayLike,
    **options: Unpack[ProbabilityOptions],
) -> float:
    """Objective that restoration minimises, λ/2 ‖Ax - y‖² - Σᵢ log p(Pᵢx) with λ = d/σ².

    Parameters
    ----------
    image : array_like
        The image x, as for `fastepll.denoise`.
    y : array_like
        What was measured, of the shape that the operator gives, with the same channels.
    operator : Operator, optional
        A. None: the identity.
    sigma : float or array_like of float
        Standard deviation of the noise in y, in the units of the image, > 0; an array of the
        operator's ``out_shape`` is one for each value measured.
    {options}

    Returns
    -------
    float
        Nats. d is the number of values of a patch.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.expected_patch_log_likelihood`; ValueError for a y of another shape.

    Notes
    -----
    Half-quadratic splitting decreases it only nearly: at each weight β of the splitting it
    minimises this objective with a free copy of every patch.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011, equation 3.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> ramp = np.linspace(0.2, 0.8, 64) * np.ones((64, 1))
    >>> noisy = ramp + 0.1 * np.random.default_rng(0).standard_normal(ramp.shape)
    >>> restored = fastepll.denoise(noisy, 0.1)
    >>> before, after = (fastepll.objective(x, noisy, sigma=0.1) for x in (noisy, restored))
    >>> after < before
    True
    """
    prior = expected_patch_log_likelihood(image, **options)
    axis = options["channel_axis"]
    source = channels_last(check_image(image, axis), axis)
    mixture = check_model(options["model"])
    a = Identity(source.shape[:2]) if operator is None else operator
    if not isinstance(a, Operator):
        raise TypeError(f"operator must be an Operator or None, got {type(a).__name__}")
    if a.in_shape != source.shape[:2]:
        raise ValueError(
            f"image must have the operator's {a.in_shape} pixels, got {source.shape[:2]}"
        )
    measured = channels_last(check_measurement(y, axis, a.out_shape), axis)
    (level,) = sigma_of_images(check_sigma(sigma), (), a.out_shape)
    if level is None or not np.min(level) > 0:
        least = None if level is None else np.min(level)
        raise ValueError(f"sigma must be > 0 for an objective, got {least}")
    if options["data_range"] is None and measured.dtype.kind == "f":
        check_intensities(measured, None, "y", sigma=beside(level, ()), response=a.response)
        if a.response is None:
            check_implied(measured, a, level)
        scale_sigma(level, 1.0, gain_of(a))
    residual = 0.0
    for c in range(source.shape[-1]):
        x: FloatArray = source[..., c].astype(np.float64)
        target: NDArray[np.float64] = measured[..., c].astype(np.float64)
        residual += float(np.sum(np.square((a.forward(x) - target) / level)))
    return 0.5 * mixture.d * residual - prior
