"""Deblurring, inpainting and super-resolution: `restore` with the operator made here."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_order
from fastepll._validation.arguments import check_choice
from fastepll._validation.images import check_image
from fastepll._validation.measurements import check_factor, check_kernel, check_mask_of_image
from fastepll._validation.sigma import check_sigma, sigma_of_images
from fastepll.images.batch import over_stacks
from fastepll.images.channels import channels_last
from fastepll.operators import Blur, Downsample, Mask, bicubic_kernel
from fastepll.priors.choice import Model
from fastepll.restoration.mosaic import inpaint_channels
from fastepll.restoration.restore import restore
from fastepll.solver.settings import Settings
from fastepll.typing import BackendName, Boundary, DataRange, Poll, Quality

FRAME = 6  # pixels of the mirror image around an image to enlarge


@over_stacks
def deblur(
    y: ArrayLike,
    kernel: ArrayLike,
    sigma: float | ArrayLike | None = None,
    *,
    boundary: Boundary = "valid",
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    alpha: bool = False,
    data_range: DataRange = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
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
    model, quality, channel_axis, stack, alpha, data_range, n_threads, backend, progress
        As for `fastepll.restore`.

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
    array = check_image(y, channel_axis, "y")
    weights = check_kernel(kernel, None)
    shape = channels_last(array, channel_axis).shape[:2]
    if boundary == "valid":
        check_kernel(kernel, shape)
        shape = (shape[0] + weights.shape[0] - 1, shape[1] + weights.shape[1] - 1)
    operator = Blur(weights, shape, boundary)
    result = restore(
        array,
        operator,
        sigma,
        model=model,
        quality=quality,
        channel_axis=channel_axis,
        data_range=data_range,
        n_threads=n_threads,
        backend=backend,
        progress=progress,
    )
    if boundary != "valid":
        return result
    cut = channels_last(result, channel_axis)[operator.observed]
    return np.ascontiguousarray(
        cut[..., 0] if channel_axis is None else np.moveaxis(cut, -1, channel_axis)
    )


@over_stacks
def inpaint(
    y: ArrayLike,
    mask: ArrayLike,
    sigma: float | ArrayLike | None = 0.0,
    *,
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    alpha: bool = False,
    data_range: DataRange = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
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
    model, quality, channel_axis, stack, alpha, data_range, n_threads, backend, progress
        As for `fastepll.restore`.

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
    array = check_image(y, channel_axis, "y")
    unknown = check_mask_of_image(mask, array.shape, channel_axis)
    source = channels_last(array, channel_axis)
    known = source.copy()
    for c in range(unknown.shape[-1]):
        hole = unknown[..., c]
        part = known if unknown.shape[-1] == 1 else known[..., c]
        values = part[~hole]  # their median, whatever a single pixel holds
        part[hole] = np.partition(values, len(values) // 2, axis=0)[len(values) // 2]
    if channel_axis is not None:
        known = np.moveaxis(known, -1, channel_axis)
    known = known.reshape(array.shape)
    (level,) = sigma_of_images(check_sigma(sigma), (), source.shape[:2])
    options: dict[str, Any] = {
        "model": model,
        "quality": quality,
        "channel_axis": channel_axis,
        "data_range": data_range,
        "n_threads": n_threads,
        "backend": backend,
        "progress": progress,
    }
    if unknown.shape[-1] == 1:
        result = restore(known, Mask(unknown[..., 0]), level, **options)
    else:
        result = inpaint_channels(known, unknown, level, **options)
    if level is not None:
        same = ~unknown & np.equal(level, 0)[..., None]
        np.copyto(channels_last(result, channel_axis), source, where=same)
    return result


@older_order(
    "y",
    "factor",
    "sigma",
    "kernel",
    when=lambda args: len(args) > 3,
    now="super_resolve(y, factor, sigma, kernel=kernel)",
)
@over_stacks
def super_resolve(
    y: ArrayLike,
    factor: int,
    sigma: float | ArrayLike | None = 0.0,
    *,
    kernel: ArrayLike | None = None,
    boundary: Literal["reflect", "periodic"] = "reflect",
    model: Model = "gray-8x8-200",
    quality: Quality | Settings = "balanced",
    channel_axis: int | None = None,
    stack: bool = False,
    data_range: DataRange = None,
    n_threads: int | None = None,
    backend: BackendName | None = None,
    progress: Poll | None = None,
) -> NDArray[Any]:
    """Enlarge an image that was blurred and decimated, by EPLL.

    Parameters
    ----------
    y : array_like
        Gray (height, width), or with one more axis of channels. Of a dtype that `fastepll.denoise`
        takes; finite; not changed.
    factor : {2, 3, 4}
        How many times more rows and columns to return.
    sigma : float or array_like of float, optional
        Standard deviation of the noise in the units of y; 0 where there is none. None: estimated.
    kernel : (p, q) array_like of float, optional
        The blur before decimation, on the large grid; see `fastepll.operators.Downsample`. None:
        `fastepll.operators.bicubic_kernel`, the usual antialiased bicubic reduction, in which a
        small pixel has its middle where the factor × factor large ones have theirs.
    boundary : {"reflect", "periodic"}
        How the image went on beyond its border when it was blurred: as its mirror image, nearly
        right for photographs, or as its other side.
    model, quality, channel_axis, stack, data_range, n_threads, backend, progress
        As for `fastepll.restore`.

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
    array = check_image(y, channel_axis, "y")
    level = check_sigma(sigma)
    frame = FRAME if boundary == "reflect" else 0

    def framed(values: NDArray[Any]) -> NDArray[Any]:
        sides = ((frame, frame),) * 2 + ((0, 0),) * (values.ndim - 2)
        return np.pad(values, sides, mode="symmetric") if frame else values

    source = framed(channels_last(array, channel_axis))
    height, width = source.shape[:2]
    blur = bicubic_kernel(count) if kernel is None else kernel
    operator = Downsample(blur, (count * height, count * width), count)
    result = restore(
        source[..., 0] if channel_axis is None else source,
        operator,
        level if level is None or isinstance(level, float) else framed(level),
        model=model,
        quality=quality,
        channel_axis=None if channel_axis is None else -1,
        data_range=data_range,
        n_threads=n_threads,
        backend=backend,
        progress=progress,
    )
    inner = slice(count * frame, -count * frame or None)
    result = result[inner, inner]
    return np.ascontiguousarray(
        result if channel_axis is None else np.moveaxis(result, -1, channel_axis)
    )
