"""Deblurring, inpainting and super-resolution: restoration with the operator made here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_order
from fastepll._validation.arguments import check_choice, check_flag
from fastepll._validation.images import check_image
from fastepll._validation.measurements import check_factor, check_kernel, check_mask_of_image
from fastepll._validation.sigma import beside, check_sigma, sigma_of_images
from fastepll.images.batch import empty_images, fill_images, fill_unknown, masks_of_images
from fastepll.images.channels import channels_last
from fastepll.operators import Blur, Downsample, Mask, bicubic_kernel
from fastepll.restoration.job import Job
from fastepll.restoration.mosaic import inpaint_channels
from fastepll.restoration.options import RestoreOptions, takes
from fastepll.typing import Boundary, Poll

if TYPE_CHECKING:
    from typing_extensions import Unpack

FRAME = 6  # pixels of the mirror image around an image to enlarge


@takes(RestoreOptions)
def deblur(
    y: ArrayLike,
    kernel: ArrayLike,
    sigma: float | ArrayLike | None = None,
    *,
    boundary: Boundary = "valid",
    **options: Unpack[RestoreOptions],
) -> NDArray[Any]:
    """Undo a blur by a known kernel, by EPLL.

    Parameters
    ----------
    y : array_like
        Blurred and noisy image, gray (height, width), or with one more axis of channels. Of a dtype
        that `fastepll.denoise` takes; finite; not changed.
    kernel : (p, q) array_like of float
        Point spread function, the same everywhere and in all channels: a point at row i, column j
        shows as the kernel with its middle ((p - 1) // 2, (q - 1) // 2) there. It is not
        normalised; its sum is the gain of the exposure, with a warning if that is below 0.9 or
        above 1.1. No larger than the image.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of y; 0 where there is none. None: estimated.
    boundary : {"valid", "periodic", "reflect"}
        What the pixels near the border have received from beyond it. "valid", right for cameras,
        assumes nothing: the scene around the image is estimated too. "periodic": the other side of
        the image. "reflect": its mirror image.
    {options}

    Returns
    -------
    numpy.ndarray
        A new array with shape, dtype and units of y.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.restore` and `fastepll.operators.Blur`.

    See Also
    --------
    fastepll.restore, fastepll.operators.Blur

    Notes
    -----
    With "valid" the image restored is larger than y by the sides of the kernel less 1, and cut to y
    in the end; ``fastepll.restore(y, Blur(kernel, shape, "valid"), sigma)`` returns all of it.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> from fastepll.operators import Blur
    >>> scene = np.zeros((56, 56))
    >>> scene[:, 28:] = 1.0
    >>> kernel = np.full((1, 9), 1 / 9)
    >>> camera = Blur(kernel, scene.shape, "valid")
    >>> y = camera.forward(scene) + 0.01 * np.random.default_rng(0).standard_normal((56, 48))
    >>> sharp, clean = fastepll.deblur(y, kernel, 0.01), scene[camera.observed]
    >>> bool(np.std(sharp - clean) < 0.3 * np.std(y - clean))
    True
    """
    check_choice("boundary", boundary, get_args(Boundary))
    weights = check_kernel(kernel, None)
    job, array, source = begin(y, options)
    shape = source.shape[-3:-1]
    if boundary == "valid":
        check_kernel(kernel, shape)
        shape = (shape[0] + weights.shape[0] - 1, shape[1] + weights.shape[1] - 1)
    operator = Blur(weights, shape, boundary)
    result = np.empty(array.shape, array.dtype)
    job.restore(
        source,
        channels_last(result, options["channel_axis"]),
        operator,
        check_sigma(sigma),
        cut=operator.observed if boundary == "valid" else None,
    )
    return result


@takes(RestoreOptions)
def inpaint(
    y: ArrayLike,
    mask: ArrayLike,
    sigma: float | ArrayLike | None = 0.0,
    **options: Unpack[RestoreOptions],
) -> NDArray[Any]:
    """Fill in missing pixels, and denoise the others, by EPLL.

    Parameters
    ----------
    y : array_like
        Gray (height, width), or with one more axis of channels. Of a dtype that `fastepll.denoise`
        takes; not changed. Its unknown pixels may hold anything, NaN too.
    mask : (height, width) array_like of bool
        True where a pixel is unknown, as in ``skimage.restoration.inpaint_biharmonic``; the same
        for all channels. Of the shape of y, with its channels, it is one for each channel, as in
        the mosaic of a camera; a pixel of each must be known. With ``stack`` it may have the axes
        of the stack, and is then one for each image.
    sigma : float or array_like of float, optional
        Standard deviation of the noise of the known pixels in the units of y, or a map of it as for
        `fastepll.denoise`. 0: they are returned as they are. None: estimated from patches without
        unknown pixels, if there are enough; not with a mask for each channel.
    {options}

    Returns
    -------
    numpy.ndarray
        A new array with shape, dtype and units of y.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.restore` and `fastepll.operators.Mask`.

    See Also
    --------
    fastepll.restore, fastepll.operators.Mask

    Notes
    -----
    A mask for each channel couples them: each starts from fills of its differences to the others,
    the prior sees their orthonormal opponent planes (or colour patches), and the data term that of
    every channel by itself.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> clean = np.fromfunction(lambda i, j: 0.5 + 0.4 * np.sin((i + 2 * j) / 12), (48, 48))
    >>> mask = rng.random(clean.shape) < 0.5
    >>> filled = fastepll.inpaint(np.where(mask, np.nan, clean), mask)
    >>> bool(np.abs(filled - clean).max() < 0.05)
    True
    """
    axis = options["channel_axis"]
    job, array, source = begin(y, options)
    level = check_sigma(sigma)
    lead, plane = source.shape[:-3], source.shape[-3:-1]
    sigmas = sigma_of_images(level, lead, plane)
    masks = masks_of_images(mask, array.shape, axis, alpha=job.alpha)
    unknown = [check_mask_of_image(each) for each in masks]
    known = fill_unknown(source, unknown, alpha=job.alpha)
    conversion = job.conversion(known, Mask(np.zeros(plane, np.bool_)), beside(level, lead))

    def fill(k: int, y: NDArray[Any], image: NDArray[Any], progress: Poll | None) -> None:
        if unknown[k].shape[-1] == 1:
            planes = job.passes(
                y, Mask(unknown[k][..., 0]), sigmas[k], conversion, progress=progress
            )
            conversion.join(planes, image)
        else:
            inpaint_channels(
                y, unknown[k], sigmas[k], job, conversion, result=image, progress=progress
            )
        noise = sigmas[k]
        if noise is not None:
            same = ~unknown[k] & np.equal(noise, 0)[..., None]
            np.copyto(image, y, where=same)

    result = np.empty(array.shape, array.dtype)
    fill_images(fill, known, channels_last(result, axis), alpha=job.alpha, progress=job.progress)
    return result


@older_order(
    "y",
    "factor",
    "sigma",
    "kernel",
    when=lambda args: len(args) > 3,
    now="super_resolve(y, factor, sigma, kernel=kernel)",
)
@takes(RestoreOptions)
def super_resolve(
    y: ArrayLike,
    factor: int,
    sigma: float | ArrayLike | None = 0.0,
    *,
    kernel: ArrayLike | None = None,
    boundary: Literal["reflect", "periodic"] = "reflect",
    **options: Unpack[RestoreOptions],
) -> NDArray[Any]:
    """Enlarge an image that was blurred and decimated, by EPLL.

    Parameters
    ----------
    y : array_like
        Gray (height, width), or with one more axis of channels. Of a dtype that `fastepll.denoise`
        takes; finite; not changed.
    factor : int
        How many times more rows and columns to return, in [2, 8]. The passes are tuned for 2 to 4.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of y; 0 where there is none. None: estimated.
    kernel : (p, q) array_like of float, optional
        The blur before decimation, on the large grid; see `fastepll.operators.Downsample`. None:
        `fastepll.operators.bicubic_kernel`, the usual antialiased bicubic reduction, in which a
        small pixel has its middle where the factor × factor large ones have theirs.
    boundary : {"reflect", "periodic"}
        How the image went on beyond its border when it was blurred: as its mirror image, nearly
        right for photographs, or as its other side.
    {options}

    Returns
    -------
    numpy.ndarray
        A new array (factor height, factor width) and the channels, with the dtype and units of y.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.restore` and `fastepll.operators.Downsample`.

    See Also
    --------
    fastepll.restore, fastepll.operators.Downsample

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> from fastepll.operators import Downsample, bicubic_kernel
    >>> clean = np.zeros((64, 64))
    >>> clean[:, 31:] = 1.0
    >>> y = Downsample(bicubic_kernel(2), clean.shape, 2).forward(clean)
    >>> large = fastepll.super_resolve(y, 2, boundary="periodic")
    >>> bool(np.std(large - clean) < 0.6 * np.std(np.kron(y, np.ones((2, 2))) - clean))
    True
    """
    count = check_factor(factor)
    check_choice("boundary", boundary, ("reflect", "periodic"))
    axis = options["channel_axis"]
    job, array, source = begin(y, options)
    if job.alpha:
        raise ValueError("alpha must be False for an operator that changes the shape, got True")
    level = check_sigma(sigma)
    lead, plane = source.shape[:-3], source.shape[-3:-1]
    sigma_of_images(level, lead, plane)
    frame = FRAME if boundary == "reflect" else 0
    sides = ((0, 0),) * len(lead) + ((frame, frame),) * 2
    if frame:
        source = np.pad(source, (*sides, (0, 0)), mode="symmetric")
        if not (level is None or isinstance(level, float) or level.shape == lead):
            level = np.pad(level, sides, mode="symmetric")
    height, width = source.shape[-3:-1]
    blur = bicubic_kernel(count) if kernel is None else kernel
    operator = Downsample(blur, (count * height, count * width), count)
    result = empty_images(array, axis, 2, (count * plane[0], count * plane[1]))
    inner = slice(count * frame, -count * frame or None)
    job.restore(source, channels_last(result, axis), operator, level, cut=(inner, inner))
    return result


def begin(y: ArrayLike, options: RestoreOptions) -> tuple[Job, NDArray[Any], NDArray[Any]]:
    """What is to be done with the images of an array, the array, and (..., channels) of it."""
    job, axis = Job.of(options), options["channel_axis"]
    stack = check_flag("stack", options["stack"])
    array = check_image(y, axis, "y", stack=stack, alpha=job.alpha)
    return job, array, channels_last(array, axis)
