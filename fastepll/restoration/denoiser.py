"""Denoiser: what can be checked and made ready once, for many images."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._deprecated import older_keywords, older_order
from fastepll._portable import Portable
from fastepll._threads import resolve_threads
from fastepll._validation.arguments import (
    check_backend,
    check_betas,
    check_count,
    check_progress,
    check_threads,
)
from fastepll._validation.images import (
    check_axis,
    check_fit,
    check_image,
    check_layout,
    check_out,
    check_shape,
)
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll._validation.sigma import Sigma, beside, check_sigma, scale_sigma, sigma_of_images
from fastepll.backends import backend_for
from fastepll.images.batch import colours_and_alpha, fill_images, part
from fastepll.images.channels import channels_last, in_one_plane, planes_for
from fastepll.images.conversion import Conversion
from fastepll.images.memory import Memory
from fastepll.models import list_models
from fastepll.noise.estimate import sigma_for
from fastepll.priors.choice import check_model
from fastepll.restoration.options import DenoiserOptions, documents, takes
from fastepll.solver.denoise_schedule import settings_for
from fastepll.solver.diffusion import check_learned, check_size
from fastepll.solver.half_quadratic import TOGETHER, denoise_plane
from fastepll.solver.multiscale import count_scales
from fastepll.solver.noise_map import restore_plane, typical
from fastepll.solver.settings import MAX_SCALES, Settings, check_settings
from fastepll.solver.volume import (
    check_settings_of_volume,
    check_sigmas_of_volumes,
    denoise_volume,
)
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from typing_extensions import Unpack

RANGES = (1.0, 255.0, 65535.0)  # data ranges of floats, uint8 and uint16
NEGLIGIBLE = 1e-6  # sigma / data_range below which the correction is lost in float32 rounding


@documents(DenoiserOptions)
class Denoiser(Portable):
    """`fastepll.denoise` for many images: video, tiles, the denoising step of another method.

    Calling it gives the result of `fastepll.denoise` bit for bit. Arguments are checked once, and
    the image-sized memory of a call is kept for the next image of the same shape. Calls from
    several threads at a time are safe; each then has memory of its own. It can be pickled and
    copied, without that memory.

    Parameters
    ----------
    sigma, betas, n_scales
        As for `fastepll.denoise`.
    shape : sequence of int, optional
        Shape of the images to come: memory is made ready now, and so are the tables of the model
        if sigma is given (for the least data range above it, if that is not). Images of other
        shapes are welcome too.
    {options}

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
    @older_keywords({"scales": "n_scales"})
    @takes(DenoiserOptions)
    def __init__(
        self,
        sigma: float | ArrayLike | None = None,
        *,
        shape: Sequence[int] | None = None,
        betas: Sequence[float] | None = None,
        n_scales: int | None = None,
        **options: Unpack[DenoiserOptions],
    ) -> None:
        model, quality = options["model"], options["quality"]
        self._model = check_model(model)
        self._named = model if isinstance(model, str) and model in list_models() else self._model
        self._sigma = check_sigma(sigma)
        self._quality = quality
        check_settings(quality, self._model)
        self._betas = None if betas is None else check_betas(betas)
        self._n_scales = n_scales
        if n_scales is not None:
            check_count("n_scales", n_scales, 1, MAX_SCALES)
        self._layout = check_layout(
            stack=options["stack"], spatial_axes=options["spatial_axes"], alpha=options["alpha"]
        )
        stack, spatial = self._layout["stack"], self._layout["spatial_axes"]
        self._axis = check_axis(options["channel_axis"], stack=stack, spatial_axes=spatial)
        if self._axis is None:
            check_fit((*self._model.patch_shape[:2], 1), self._model)
        self._learned = check_learned(self._settings(1.0), self._model)
        self._of_volumes = spatial == 3
        if self._of_volumes:
            check_settings_of_volume(self._settings(1.0), n_scales)
        self._data_range = check_data_range(options["data_range"])
        self._threads = check_threads(options["n_threads"])
        self._wanted = check_backend(options["backend"])
        self._backend = backend_for(self._model, self._wanted)
        self._kept: deque[Memory] = deque(maxlen=1)  # hands it to one thread alone, lock or no
        if shape is not None:
            self._prepare(check_shape(shape, self._axis, **self._layout))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made with; a prior that comes with the package by its name."""
        made = partial(
            type(self),
            self._sigma,
            model=self._named,
            quality=self._quality,
            channel_axis=self._axis,
            data_range=self._data_range,
            betas=self._betas,
            n_scales=self._n_scales,
            n_threads=self._threads,
            backend=self._wanted,
            **self._layout,
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
        n, alpha = self._layout["spatial_axes"], self._layout["alpha"]
        array = check_image(image, self._axis, **self._layout)
        report = check_progress(progress)
        result = np.empty(array.shape, array.dtype) if out is None else check_out(out, array)
        if (
            result is not array
            and (self._layout["stack"] or alpha)
            and np.may_share_memory(result, array)
        ):
            array = array.copy()
        source, target = (channels_last(each, self._axis) for each in (array, result))
        colours = colours_and_alpha(source)[0] if alpha else source
        lead, plane = source.shape[: -n - 1], source.shape[-n - 1 : -1]
        check_fit((*plane, colours.shape[-1]), self._model)
        if self._learned:
            check_size(plane)
        sigmas = sigma_of_images(self._sigma, lead, plane)
        if self._of_volumes:
            check_sigmas_of_volumes(sigmas)
        noise = beside(self._sigma, lead, n)
        data_range = check_intensities(colours, self._data_range, sigma=noise)
        levels = [scale_sigma(sigma, data_range) for sigma in sigmas]
        mix = planes_for(colours.shape[-1], self._model)
        conversion = Conversion(mix, data_range, self._backend.dtype)

        def fill(
            k: int, image: NDArray[Any], restored: NDArray[Any], progress: Poll | None
        ) -> None:
            self._image(image, restored, levels[k], conversion, progress)

        fill_images(fill, source, target, n_axes=n, alpha=alpha, progress=report)
        return result

    def _image(
        self,
        source: NDArray[Any],
        result: NDArray[Any],
        sigma: Sigma | None,
        conversion: Conversion,
        report: Poll | None,
    ) -> None:
        """Fill the result from one image (height, width, channels), or a volume of such."""
        if sigma is None:
            threads = resolve_threads(self._threads)
            sigma = sigma_for(in_one_plane(source), self._model, conversion.data_range, threads)
        if np.max(sigma) < NEGLIGIBLE:
            if report is not None:
                report(1.0)
            result[...] = source
            return
        known = None if isinstance(sigma, float) else sigma == 0
        same = None if known is None else source[known]
        memory = self._take(source.shape[:-1])
        try:
            self._restore(source, result, sigma, conversion, memory=memory, report=report)
        finally:
            self._kept.append(memory)
        if known is not None:
            result[known] = same

    def _restore(
        self,
        source: NDArray[Any],
        result: NDArray[Any],
        sigma: Sigma,
        conversion: Conversion,
        *,
        memory: Memory,
        report: Poll | None,
    ) -> None:
        """Fill the result (..., channels), group by group of its planes."""
        ready = conversion.same(result)
        if ready is not None and np.may_share_memory(result, source):
            ready = None
        restored, mix = list[FloatArray](), conversion.mix
        for i, group in enumerate(mix.groups):
            noisy = conversion.same(source)
            if noisy is None:
                noisy = conversion.split(source, group, memory["noisy", len(group)])
            level = sigma * float(mix.gains[group[0]])
            settings = self._settings(level, i, len(mix.groups))
            image = self._plane(
                noisy,
                level,
                settings,
                progress=part(report, i, len(mix.groups)),
                out=memory[f"restored {i}", len(group)] if ready is None else ready,
                work=memory["work", len(group)],
                spare=memory["spare", len(group)] if noisy.size <= TOGETHER else None,
                **({"guide": restored[0]} if i and settings.learned else {}),
            )
            restored.extend(image if len(group) > 1 else [image])
        if ready is None:
            conversion.join(restored, result)

    def _plane(
        self, noisy: FloatArray, sigma: Sigma, settings: Settings, **rest: Any
    ) -> FloatArray:
        """Restore a plane or a volume, or those that the model sees together."""
        restore: Callable[..., FloatArray] = denoise_volume if self._of_volumes else restore_plane
        threads = resolve_threads(self._threads)
        rest |= {"backend": self._backend, "n_threads": threads}
        return restore(noisy, self._model, sigma, settings, **rest)

    def _settings(self, sigma: Sigma, i: int = 0, n: int = 1) -> Settings:
        """Settings for group i of n of planes, with noise of standard deviation sigma."""
        settings, level = self._quality, typical(sigma)
        if not isinstance(settings, Settings):
            settings = settings_for(settings, level, self._model.patch_shape)
        if i:  # there are trained steps for the chroma of three channels
            settings = replace(settings, learned=settings.learned and n == 3)
        if self._betas is not None:
            settings = settings.with_betas(self._betas)
        if self._n_scales is not None:
            coarse = settings_for("high", level, self._model.patch_shape).coarse
            settings = settings.with_scales(self._n_scales, coarse)
        return settings

    def _take(self, shape: tuple[int, ...]) -> Memory:
        """That of the last call if it fits and no other call has it, else new."""
        with contextlib.suppress(IndexError):
            memory = self._kept.pop()
            if memory.shape == shape:
                return memory
        return Memory(shape, self._backend.dtype)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Make the planes for images (..., channels), and the tables of the model."""
        model = self._model
        check_fit(shape, model)
        mix = planes_for(shape[-1], model)
        memory = self._take(shape[:-1])
        for i, group in enumerate(mix.groups):
            names = ["noisy", "work", f"restored {i}"]
            if len(group) * math.prod(shape[:-1]) <= TOGETHER:
                names.append("spare")
            for name in names:
                memory[name, len(group)].fill(0)  # touched now, not in the first call
        self._kept.append(memory)
        if not isinstance(self._sigma, float):
            return
        given = self._data_range
        known = [given] if isinstance(given, float) else RANGES
        sigma = scale_sigma(self._sigma, next((r for r in known if self._sigma <= r), known[-1]))
        if isinstance(sigma, float) and sigma >= NEGLIGIBLE:
            for gain in set(mix.gains.tolist()):
                settings = replace(self._settings(sigma * gain), learned=False)
                scales = 1 if self._of_volumes else count_scales(shape[:-1], model, settings)
                for scale in range(scales):
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


def is_model(value: object) -> bool:
    """Whether it is a model, not a noise level."""
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "patch_shape")
