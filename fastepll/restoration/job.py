"""Images through the passes of a prior: from intensities to planes, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from fastepll._threads import resolve_threads
from fastepll._validation.arguments import (
    check_backend,
    check_betas,
    check_flag,
    check_progress,
    check_threads,
)
from fastepll._validation.images import check_fit
from fastepll._validation.intensities import check_data_range, check_intensities
from fastepll._validation.sigma import Sigma, beside, scale_sigma, sigma_of_images
from fastepll.backends import Backend, backend_for
from fastepll.images.batch import colours_and_alpha, fill_images
from fastepll.images.channels import planes_for
from fastepll.images.conversion import Conversion
from fastepll.models.adapted import PatchModel
from fastepll.operators import Operator
from fastepll.operators.weighted import whiten
from fastepll.priors.choice import check_model
from fastepll.restoration.measurement import check_implied, gain_of, measured_sigma
from fastepll.restoration.options import RestoreOptions
from fastepll.solver.half_quadratic import joined, restorations
from fastepll.solver.restore_schedule import FLOOR, task_settings
from fastepll.solver.settings import Settings, check_settings
from fastepll.typing import FloatArray, Poll, Quality

Box: TypeAlias = tuple[slice, slice]
Watch: TypeAlias = Callable[[int, int, float, Sequence[FloatArray]], bool]
"""Gets the number of a pass, how many there are, its beta and its planes; True ends the passes."""
Watching: TypeAlias = Callable[[Conversion, Sigma], "Watch | None"]
"""Makes a `Watch` for the one image that there is then, given how noisy it is."""


@dataclass(frozen=True, eq=False)
class Job:
    """What the images of a call have in common, checked.

    Attributes
    ----------
    given_range : float, "auto" or None
        The ``data_range`` of `fastepll.restore`; the others are its arguments too.
    """

    model: PatchModel
    quality: Quality | Settings
    betas: Sequence[float] | None
    alpha: bool
    given_range: Any
    backend: Backend
    n_threads: int
    progress: Poll | None

    @classmethod
    def of(cls, options: RestoreOptions, betas: Sequence[float] | None = None) -> Job:
        """Check the options that do not depend on the image."""
        model, quality = check_model(options["model"]), options["quality"]
        check_settings(quality, model)
        return cls(
            model=model,
            quality=quality,
            betas=None if betas is None else check_betas(betas),
            alpha=check_flag("alpha", options["alpha"]),
            given_range=check_data_range(options["data_range"]),
            backend=backend_for(model, check_backend(options["backend"])),
            n_threads=resolve_threads(check_threads(options["n_threads"])),
            progress=check_progress(options["progress"]),
        )

    def restore(
        self,
        source: NDArray[Any],
        target: NDArray[Any],
        operator: Operator,
        sigma: Sigma | None,
        *,
        cut: Box | None = None,
        start: NDArray[Any] | None = None,
        watch: Watching | None = None,
    ) -> None:
        """Fill images (..., height, width, channels) from measurements (..., *plane, channels).

        ``cut`` is the part of what the operator acts on that the images are. ``start``, the first
        image, and ``watch`` are for one image.
        """
        n_axes = len(operator.out_shape)
        lead = source.shape[: -n_axes - 1]
        sigmas = sigma_of_images(sigma, lead, operator.out_shape)
        conversion = self.conversion(source, operator, beside(sigma, lead))

        def fill(k: int, y: NDArray[Any], image: NDArray[Any], progress: Poll | None) -> None:
            planes = self.passes(
                y, operator, sigmas[k], conversion, progress=progress, start=start, watch=watch
            )
            conversion.join(planes if cut is None else [plane[cut] for plane in planes], image)

        fill_images(fill, source, target, n_axes=n_axes, alpha=self.alpha, progress=self.progress)

    def conversion(
        self, source: NDArray[Any], operator: Operator, sigma: Sigma | None
    ) -> Conversion:
        """Of measurements (..., channels), whose intensities are checked, with their sigma."""
        colours = colours_and_alpha(source)[0] if self.alpha else source
        check_fit((*operator.in_shape, colours.shape[-1]), self.model)
        data_range = check_intensities(
            colours, self.given_range, "y", sigma=sigma, response=operator.response
        )
        mix = planes_for(colours.shape[-1], self.model)
        return Conversion(mix, data_range, self.backend.dtype)

    def passes(
        self,
        y: NDArray[Any],
        operator: Operator,
        sigma: Sigma | None,
        conversion: Conversion,
        *,
        progress: Poll | None,
        start: NDArray[Any] | None = None,
        watch: Watching | None = None,
    ) -> list[FloatArray]:
        """Planes of one image from its measurement (*plane, channels) with noise sigma."""
        data_range = conversion.data_range
        if self.given_range is None and operator.response is None and y.dtype.kind == "f":
            check_implied(y, operator, sigma)
        if sigma is None:
            sigma = measured_sigma(y, operator, data_range, self.n_threads)
        told = None if watch is None else watch(conversion, sigma)
        white = whiten(operator, scale_sigma(sigma, data_range, gain_of(operator)), FLOOR)
        settings = task_settings(
            self.quality,
            operator,
            white.sigma,
            self.model.patch_shape,
            self.betas,
            least=white.least,
        )
        n, groups = len(settings.noise), conversion.mix.groups

        def poll(c: int) -> Callable[[int, float], None] | None:
            def say(i: int, fraction: float) -> None:
                done = (i * len(groups) + c + fraction) / (n * len(groups))
                if progress is not None and done < 1:  # 1 is said once, at the end
                    progress(done)

            return None if progress is None else say

        singles = [(k,) for group in groups for k in group]
        first = None if start is None else [conversion.split(start, k) for k in singles]
        runs = [
            restorations(
                [white.apply(conversion.split(y, (k,))) for k in group],
                white.operator,
                self.model,
                max(white.sigma * float(conversion.mix.gains[group[0]]), FLOOR),
                settings,
                start=None if first is None else joined([first[k] for k in group], self.model),
                backend=self.backend,
                n_threads=self.n_threads,
                poll=poll(c),
            )
            for c, group in enumerate(groups)
        ]
        images: tuple[FloatArray, ...] = ()
        for i, images in enumerate(zip(*runs, strict=True)):
            if told is not None and told(i, n, 1 / settings.noise[i], images):
                break
        if progress is not None:
            progress(1.0)
        return planes_of(images)


def planes_of(images: Sequence[FloatArray]) -> list[FloatArray]:
    """All planes of images of one or of several."""
    return [plane for image in images for plane in image.reshape(-1, *image.shape[-2:])]
