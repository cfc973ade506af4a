"""adapt: a prior, and a noisy image that it is to restore; the prior of that image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fastepll._threads import resolve_threads
from fastepll._validation.arguments import check_backend, check_number, check_threads
from fastepll._validation.images import check_fit, check_image, check_layout
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll.backends import backend_for
from fastepll.images.channels import channels_last, in_one_plane, planes_for
from fastepll.images.conversion import Conversion
from fastepll.models import GaussianMixture
from fastepll.noise.estimate import sigma_for
from fastepll.priors.choice import check_model
from fastepll.restoration.options import AdaptOptions, takes
from fastepll.solver.adaptation import Moments, adapted, see

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastepll._validation.model_arrays import JSON
    from fastepll.priors.choice import Model


@takes(AdaptOptions)
def adapt(
    model: Model,
    image: ArrayLike,
    sigma: float | None = None,
    *,
    prior_weight: float = 300.0,
    **options: Unpack[AdaptOptions],
) -> GaussianMixture:
    """Adapt a mixture to the image that it is to restore, from the noisy image alone.

    Parameters
    ----------
    model : str, path or GaussianMixture
        Prior of patches: a name of `fastepll.list_models`, a file, or the mixture itself.
    image : array_like
        As for `fastepll.denoise`; with ``stack`` several, which have one prior together. Of a
        volume the planes in all three directions count, every so many of a large one.
    sigma : float, optional
        Standard deviation of their white noise, in units of the image, above 0. None:
        `fastepll.estimate_sigma` of each.
    prior_weight : float
        For how many patches of each component its given covariance counts, above 0: the more, the
        less the mixture moves.
    {options}

    Returns
    -------
    GaussianMixture
        With as many components, of the same patches; for `fastepll.denoise` and all the others.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`; a prior that is no Gaussian mixture; noise of 0.

    Notes
    -----
    The image is denoised first ("fast"), to choose a component for each patch. Each covariance then
    goes to where an inverse Wishart prior about the given one, and the noisy patches, have it most
    probable. This takes EM, whose hidden variables are the patches without noise: directions in
    which the noise hides the image move little. Weights stay: patches chosen in a denoised image
    count too often for the flat components, and with such weights smooth images are restored worse.

    References
    ----------
    E. Luo, S. H. Chan, T. Q. Nguyen, Adaptive image denoising by mixture adaptation, IEEE TIP 25
    (2016). There components are responsible for patches of a denoised image whose remaining noise
    is estimated; here the moments are of the noisy patches, whose noise is known.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> stripes = np.tile(np.sin(np.arange(64) * 1.9) * 0.2 + 0.5, (64, 1))
    >>> noisy = stripes + 0.1 * rng.standard_normal(stripes.shape)
    >>> own = fastepll.adapt("gray-8x8-200", noisy, 0.1)
    >>> before, after = (
    ...     np.std(fastepll.denoise(noisy, 0.1, model=prior) - stripes)
    ...     for prior in ("gray-8x8-200", own)
    ... )
    >>> bool(after < 0.95 * before)
    True
    """
    mixture = check_model(model)
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(f"model must be a Gaussian mixture, got {type(model).__name__}")
    weight = check_number("prior_weight", prior_weight, 1e-6, 1e30)
    layout = check_layout(stack=options["stack"], spatial_axes=options["spatial_axes"], alpha=False)
    n, axis = layout["spatial_axes"], options["channel_axis"]
    source = channels_last(check_image(image, axis, **layout), axis)
    check_fit(source.shape[-n - 1 :], mixture)
    level = None if sigma is None else check_number("sigma", sigma, 1e-30, 1e30)
    data_range = check_data_range(options["data_range"])
    data_range = check_intensities(source, data_range, sigma=level)
    threads = resolve_threads(check_threads(options["n_threads"]))
    backend = backend_for(mixture, check_backend(options["backend"]))
    conversion = Conversion(planes_for(source.shape[-1], mixture), data_range, backend.dtype)
    seen: dict[float, Moments] = {}
    for one in source.reshape(-1, *source.shape[-n - 1 :]):
        if level is None:
            relative = sigma_for(in_one_plane(one), mixture, data_range, threads)
        else:
            relative = level / data_range
        if relative < 1e-6:
            raise ValueError("sigma must be above 0: there is no noise to adapt a prior to")
        for group in conversion.mix.groups:
            planes = np.ascontiguousarray(conversion.split(one, group))
            own = relative * float(conversion.mix.gains[group[0]])
            if own not in seen:
                seen[own] = Moments.of_none(mixture, own)
            see(seen[own], planes, mixture, of_volume=n == 3, backend=backend, n_threads=threads)
    told: JSON = {"shape": source.shape, "prior_weight": weight}
    metadata = {**mixture.metadata, "adapted": told}
    return GaussianMixture.from_covariances(
        mixture.weights, adapted(mixture, [*seen.values()], weight), mixture.patch_shape, metadata
    )
