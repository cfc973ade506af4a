"""Inpainting where each channel has unknown pixels of its own: mosaics of colour filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastepll._threads import resolve_threads
from fastepll._validation.arguments import check_backend, check_progress, check_threads
from fastepll._validation.images import check_fit
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll._validation.sigma import Sigma, beside, scale_sigma
from fastepll.backends import backend_for
from fastepll.images.channels import (
    Planes,
    channel_planes,
    channels_last,
    dct_matrix,
    from_planes,
    to_plane,
)
from fastepll.operators._outliers import largest, level_of, outliers
from fastepll.operators.pixels import Mask, strips
from fastepll.priors.choice import Model, check_model
from fastepll.solver.restore_schedule import FLOOR, LEAST, TaskSettings, task_settings
from fastepll.solver.settings import Settings, check_settings
from fastepll.typing import BackendName, DataRange, FloatArray, Poll, Quality

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models.adapted import PatchModel

ROUNDS = 2  # in which each channel is guessed by the others
NEARER = 0.45
"""Errors of the guess, and so the noise that passes assume, beside those of a mask of all channels.
On seven crops of Bayer mosaics 1 / 0.45 / 0.3 restored to 36.3 / 37.0 / 36.9 dB."""
NOISY = 0.07  # noise, in units of the data range, that makes errors of the guess as large


def inpaint_channels(
    array: NDArray[Any],
    unknown: NDArray[np.bool_],
    sigma: Sigma | None,
    *,
    model: Model,
    quality: Quality | Settings,
    channel_axis: int,
    data_range: DataRange,
    n_threads: int | None,
    backend: BackendName | None,
    progress: Poll | None,
) -> NDArray[Any]:
    """`fastepll.inpaint` for a mask (height, width, channels); the image is finite everywhere."""
    mixture = check_model(model)
    source = channels_last(array, channel_axis)
    check_fit(source.shape, mixture)
    if sigma is None:
        raise ValueError("sigma must be given for a mask that is one for each channel, got None")
    given = check_data_range(data_range)
    span = check_intensities(source, given, "y", sigma=beside(sigma, ()))
    level = scale_sigma(sigma, span)
    check_settings(quality, mixture)
    report = check_progress(progress)
    engine = backend_for(mixture, check_backend(backend))
    threads = resolve_threads(check_threads(n_threads))
    hidden = np.moveaxis(unknown, -1, 0)
    weight = (~hidden).astype(engine.dtype)
    if not isinstance(level, float):
        noise = np.maximum(level, FLOOR)
        level, found = largest(noise), outliers(noise, level_of(noise))
        weight *= np.square(level / noise).astype(engine.dtype)
        hidden = hidden if found is None else hidden | found
    even = max(level, FLOOR)
    settings = task_settings(quality, Mask([[False]]), even, mixture.patch_shape)
    nearer = min(NEARER**2 + (even / NOISY) ** 2, 1)
    settings = replace(settings, noise=[max(nearer * v, LEAST**2) for v in settings.noise])
    n = source.shape[-1]
    y = np.empty((n, *source.shape[:2]), engine.dtype)
    for plane, row in zip(y, np.eye(n) / span, strict=True):
        to_plane(source, row, plane)
    mix = orthonormal_planes(n, mixture)
    x = passes(
        y,
        weight,
        mixed(guess(y, hidden), mix.analysis),
        mix,
        model=mixture,
        sigma=even,
        settings=settings,
        backend=engine,
        n_threads=threads,
        report=report,
    )
    result = np.empty_like(array)
    from_planes([*x], mix.synthesis * span, channels_last(result, channel_axis))
    if report is not None:
        report(1.0)
    return result


def orthonormal_planes(n_channels: int, model: PatchModel) -> Planes:
    """Planes in which noise and weights are what they are in the channels.

    The channels for a prior of colour patches, else those of
    `fastepll.images.channels.opponent_planes`, the mean of the channels times √C.
    """
    if len(model.patch_shape) == 3:
        return channel_planes(n_channels)
    basis = dct_matrix(n_channels)
    groups = tuple((c,) for c in range(n_channels))
    return Planes(basis, basis.T, np.ones(n_channels), groups)


def passes(
    y: FloatArray,
    weight: FloatArray,
    x: FloatArray,
    mix: Planes,
    *,
    model: PatchModel,
    sigma: float,
    settings: TaskSettings,
    backend: Backend,
    n_threads: int,
    report: Callable[[float], object] | None,
) -> FloatArray:
    """The loop of `fastepll.solver.half_quadratic.restorations` for planes x that the data couple.

    The prior sees planes p = A r, the data y are of the channels r, and A is orthonormal: a pass
    ends in ``(W + τ) r = W y + τ r̃``, value by value, for the channels r̃ of its average.

    Parameters
    ----------
    y, weight : (C, height, width) arrays
        Channels, and what their values count for: 0 where unknown, 1 where the noise is ``sigma``.
    """
    previous = x
    n = len(settings.noise)
    for i in range(n):
        step, average = settings.pass_(i, 1.0), np.empty_like(x)
        ahead = x + x.dtype.type(settings.momentum) * (x - previous)
        for k, group in enumerate(mix.groups):

            def tell(fraction: float, i: int = i, k: int = k) -> None:
                done = (i + (k + fraction) / len(mix.groups)) / n
                if report is not None and done < 1:
                    report(done)

            part = slice(group[0], group[-1] + 1) if len(model.patch_shape) == 3 else group[0]
            backend.prior_pass(
                ahead[part],
                model,
                step,
                n_threads=n_threads,
                poll=None if report is None else tell,
                out=average[part],
            )
        tau = x.dtype.type(settings.blend[i] * sigma**2 / step.noise_var)
        for rows in strips(x.shape[1]):
            data, r = weight[:, rows], mixed(average[:, rows], mix.synthesis)
            r *= tau
            r += data * y[:, rows]
            r /= data + tau
            average[:, rows] = mixed(r, mix.analysis)
        previous, x = x, average
    return x


def guess(y: FloatArray, unknown: NDArray[np.bool_]) -> FloatArray:
    """Channels to start from: smooth fills, then fills of the differences of channels.

    Edges lie in the same places in all channels, so that these are smoother than the channels.
    Those with few known pixels are first.
    """
    masks = [Mask(each) for each in unknown]
    x = np.stack([mask.guess(each, 0.0) for mask, each in zip(masks, y, strict=True)])
    for _ in range(ROUNDS if len(y) > 1 else 0):
        for c in np.argsort([-each.mean() for each in unknown], kind="stable"):
            others = (x.sum(axis=0) - x[c]) / x.dtype.type(len(x) - 1)
            x[c] = others + masks[c].guess(y[c] - others, 0.0)
    return x


def mixed(values: FloatArray, matrix: NDArray[np.float64]) -> FloatArray:
    """The matrix times (C, ...) values; no matrix product, whose rounding may vary."""
    result = np.empty_like(values)
    for k, row in enumerate(matrix.astype(values.dtype)):
        np.multiply(values[0], row[0], out=result[k])
        for value, factor in zip(values[1:], row[1:], strict=True):
            result[k] += factor * value
    return result
