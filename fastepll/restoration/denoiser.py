"""Denoiser: what can be checked and made ready once, for many images."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_order
from fastepll._portable import Portable
from fastepll._threads import resolve_threads
from fastepll._validation.arguments import (
    check_backend,
    check_betas,
    check_count,
    check_flag,
    check_progress,
    check_threads,
)
from fastepll._validation.images import check_axis, check_fit, check_image, check_out, check_shape
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll._validation.sigma import Sigma, beside, check_sigma, scale_sigma, sigma_of_images
from fastepll.backends import backend_for
from fastepll.images.batch import colours_and_alpha, part
from fastepll.images.channels import channels_last, from_planes, planes_for, to_plane
from fastepll.models import list_models
from fastepll.noise.estimate import GRAY, sigma_for
from fastepll.priors.choice import Model, check_model
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.half_quadratic import TOGETHER, denoise_plane
from fastepll.solver.multiscale import n_scales, split
from fastepll.solver.noise_map import restore_plane, typical
from fastepll.solver.settings import MAX_SCALES, Settings, check_settings
from fastepll.typing import BackendName, DataRange, FloatArray, Poll, Quality

SPANS = (1.0, 255.0, 65535.0)  # data ranges of floats, uint8 and uint16
NEGLIGIBLE = 1e-6  # sigma / data_range below which the correction is lost in float32 rounding


class Denoiser(Portable):
    """`fastepll.denoise` for many images: video, tiles, the denoising step of another method.

    Calling it gives the result of `fastepll.denoise` bit for bit. Arguments are checked once, and
    the image-sized memory of a call is kept for the next image of the same shape. Calls from
    several threads at a time are safe; each then has memory of its own. It can be pickled and
    copied, without that memory.

    Parameters
    ----------
    sigma, model, quality, channel_axis, stack, alpha, data_range, betas, scales, n_threads, backend
        As for `fastepll.denoise`.
    shape : sequence of int, optional
        Shape of the images to come: memory is made ready now, and so are the tables of the model
        if sigma is given (for the least data range above it, if that is not). Images of other
        shapes are welcome too.

    Raises
    ------
    TypeError, ValueError
        As `fastepll.denoise`.

    Examples
    --------
    >>> import numpy as np, fastepll
    >>> rng = np.random.default_rng(0)
    >>> frames = 0.5 + 0.1 * rng.standard_normal((3, 32, 40))
    >>> denoiser = fastepll.Denoiser(sigma=0.1, quality="preview")
    >>> first = fastepll.denoise(frames[0], 0.1, quality="preview")
    >>> bool(np.array_equal(denoiser(frames[0]), first))
    True
    >>> for frame in frames:
    ...     _ = denoiser(frame, out=frame)
    >>> bool(np.std(frames) < 0.03)
    True
    """

    @older_order(
        "self",
        "model",
        "sigma",
        when=lambda args: len(args) > 1 and is_model(args[1]),
        now="Denoiser(sigma, model=model)",
    )
    def __init__(
        self,
        sigma: float | ArrayLike | None = None,
        *,
        model: Model = GRAY,
        quality: Quality | Settings = "balanced",
        shape: Sequence[int] | None = None,
        channel_axis: int | None = None,
        stack: bool = False,
        alpha: bool = False,
        data_range: DataRange = None,
        betas: Sequence[float] | None = None,
        scales: int | None = None,
        n_threads: int | None = None,
        backend: BackendName | None = None,
    ) -> None:
        self._model = check_model(model)
        self._named = model if isinstance(model, str) and model in list_models() else self._model
        self._sigma = check_sigma(sigma)
        self._quality = quality
        check_settings(quality, self._model)
        self._betas = None if betas is None else check_betas(betas)
        self._scales = scales
        if scales is not None:
            check_count("scales", scales, 1, MAX_SCALES)
        self._stack = check_flag("stack", stack)
        self._alpha = check_flag("alpha", alpha)
        self._axis = check_axis(channel_axis, stack=self._stack)
        if self._axis is None:
            check_fit((*self._model.patch_shape[:2], 1), self._model)
        self._span = check_data_range(data_range)
        self._threads = check_threads(n_threads)
        self._wanted = backend
        self._backend = backend_for(self._model, check_backend(backend))
        self._kept: deque[Planes] = deque(maxlen=1)  # hands them to one thread alone, lock or no
        if shape is not None:
            self._prepare(check_shape(shape, self._axis, stack=self._stack, alpha=self._alpha))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made with; a prior that comes with the package by its name."""
        made = partial(
            type(self),
            self._sigma,
            model=self._named,
            quality=self._quality,
            channel_axis=self._axis,
            stack=self._stack,
            alpha=self._alpha,
            data_range=self._span,
            betas=self._betas,
            scales=self._scales,
            n_threads=self._threads,
            backend=self._wanted,
        )
        return made, ()

    def __call__(
        self, image: ArrayLike, *, out: NDArray[Any] | None = None, progress: Poll | None = None
    ) -> NDArray[Any]:
        """Restore an image.

        Parameters
        ----------
        image, progress
            As for `fastepll.denoise`.
        out : numpy.ndarray, optional
            Array of the image's shape and dtype to write to, the image itself if you like. None: a
            new one.

        Returns
        -------
        numpy.ndarray
            ``out``, or the new array.
        """
        array = check_image(image, self._axis, stack=self._stack, alpha=self._alpha)
        report = check_progress(progress)
        result = np.empty(array.shape, array.dtype) if out is None else check_out(out, array)
        if (
            result is not array
            and (self._stack or self._alpha)
            and np.may_share_memory(result, array)
        ):
            array = array.copy()
        source, target = (channels_last(each, self._axis) for each in (array, result))
        if self._alpha:
            (source, alpha), (target, same) = colours_and_alpha(source), colours_and_alpha(target)
            same[...] = alpha
        check_fit(source.shape[-3:], self._model)
        at = list(np.ndindex(source.shape[:-3]))
        sigmas = sigma_of_images(self._sigma, source.shape[:-3], source.shape[-3:-1])
        beside_it = beside(self._sigma, source.shape[:-3])
        span = check_intensities(source, self._span, sigma=beside_it)
        levels = [scale_sigma(sigma, span) for sigma in sigmas]
        for k, (i, level) in enumerate(zip(at, levels, strict=True)):
            self._image(source[i], target[i], span, level, part(report, k, len(at)))
        return result

    def _image(
        self,
        source: NDArray[Any],
        result: NDArray[Any],
        span: float,
        sigma: Sigma | None,
        report: Poll | None,
    ) -> None:
        """Fill the result from one image (height, width, channels)."""
        if sigma is None:
            sigma = sigma_for(source, self._model, span, resolve_threads(self._threads))
        if np.max(sigma) < NEGLIGIBLE:
            if report is not None:
                report(1.0)
            result[...] = source
            return
        planes = self._take(source.shape[:2])
        try:
            self._restore(source, result, planes, sigma=sigma, span=span, report=report)
        finally:
            self._kept.append(planes)

    def _restore(
        self,
        source: NDArray[Any],
        result: NDArray[Any],
        planes: Planes,
        *,
        sigma: Sigma,
        span: float,
        report: Poll | None,
    ) -> None:
        """Fill the result (height, width, channels), group by group of its planes."""
        mix = planes_for(source.shape[-1], self._model)
        known = None if isinstance(sigma, float) else sigma == 0
        same = None if known is None else source[known]
        ready = as_plane(result, span, planes.dtype)
        if ready is not None and np.may_share_memory(result, source):
            ready = None
        restored: list[FloatArray] = []
        for i, group in enumerate(mix.groups):

            def progress(fraction: float, i: int = i) -> None:
                if report is not None:
                    report((i + fraction) / len(mix.groups))

            noisy = as_plane(source, span, planes.dtype)
            if noisy is None:
                noisy = planes["noisy", len(group)]
                for c, plane in zip(group, split(noisy), strict=True):
                    to_plane(source, mix.analysis[c] / span, plane)
            level = sigma * float(mix.gains[group[0]])
            image = restore_plane(
                noisy,
                self._model,
                level,
                self._settings(level),
                backend=self._backend,
                n_threads=resolve_threads(self._threads),
                progress=None if report is None else progress,
                out=planes[f"restored {i}", len(group)] if ready is None else ready,
                work=planes["work", len(group)],
                spare=planes["spare", len(group)] if noisy.size <= TOGETHER else None,
            )
            restored.extend(split(image))
        if ready is None:
            from_planes(restored, mix.synthesis * span, result)
        if known is not None:
            result[known] = same

    def _settings(self, sigma: Sigma) -> Settings:
        """Settings for planes with noise of standard deviation sigma."""
        settings, level = self._quality, typical(sigma)
        if not isinstance(settings, Settings):
            settings = settings_for(settings, level, self._model.patch_shape)
        if self._betas is not None:
            settings = settings.with_betas(self._betas)
        if self._scales is not None:
            coarse = settings_for("high", level, self._model.patch_shape).coarse
            settings = settings.with_scales(self._scales, coarse)
        return settings

    def _take(self, shape: tuple[int, ...]) -> Planes:
        """The planes of the last call if they fit and no other call has them, else new ones."""
        with contextlib.suppress(IndexError):
            planes = self._kept.pop()
            if planes.shape == shape:
                return planes
        return Planes(shape, self._backend.dtype)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Make the planes for images (height, width, channels), and the tables of the model."""
        model = self._model
        check_fit(shape, model)
        mix = planes_for(shape[2], model)
        planes = self._take(shape[:2])
        for i, group in enumerate(mix.groups):
            names = ["noisy", "work", f"restored {i}"]
            if len(group) * math.prod(shape[:2]) <= TOGETHER:
                names.append("spare")
            for name in names:
                planes[name, len(group)].fill(0)  # touched now, not in the first call
        self._kept.append(planes)
        if not isinstance(self._sigma, float):
            return
        known = [self._span] if isinstance(self._span, float) else SPANS
        span = next((span for span in known if self._sigma <= span), known[-1])
        sigma = scale_sigma(self._sigma, span)
        if isinstance(sigma, float) and sigma >= NEGLIGIBLE:
            for gain in {float(gain) for gain in mix.gains}:
                settings = self._settings(sigma * gain)
                for scale in range(n_scales(shape[:2], model, settings)):
                    denoise_plane(
                        np.zeros(
                            model.patch_shape[2:] + model.patch_shape[:2], self._backend.dtype
                        ),
                        model,
                        sigma * gain / 2**scale,
                        settings,
                        backend=self._backend,
                        n_threads=resolve_threads(self._threads),
                    )


class Planes(dict[tuple[str, int], FloatArray]):
    """Image-sized memory of one call by name and number of planes, made when first asked for."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.floating[Any]]) -> None:
        super().__init__()
        self.shape, self.dtype = shape, dtype

    def __missing__(self, key: tuple[str, int]) -> FloatArray:
        """Make it."""
        shape = self.shape if key[1] == 1 else (key[1], *self.shape)
        self[key] = plane = np.empty(shape, self.dtype)
        return plane


def is_model(value: object) -> bool:
    """Whether it is a model, not a noise level."""
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "patch_shape")


def as_plane(image: NDArray[Any], span: float, dtype: type[np.floating[Any]]) -> FloatArray | None:
    """The only channel (height, width, 1) where a backend can use it as it is, else None."""
    if span != 1 or image.shape[-1] != 1 or image.dtype != dtype:
        return None
    plane = image[..., 0]
    return plane if plane.flags.c_contiguous and plane.flags.aligned else None
