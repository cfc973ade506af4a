"""A tape of what a restoration has a backend do, and the way back through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import PassCall, prior_passes
from fastepll.backends.transpose import (
    transposed_enlarge,
    transposed_halve,
    transposed_pass,
    transposed_step,
)
from fastepll.solver.multiscale import split
from fastepll.typing import FloatArray, Poll

if TYPE_CHECKING:
    from fastepll.backends import Backend
    from fastepll.models import GaussianMixture
    from fastepll.models.adapted import PatchModel
    from fastepll.models.diffusion import DiffusionStep

Slopes = dict[int, NDArray[np.float64]]
"""Gradients with respect to the planes in memory, by their address."""


class Tape:
    """As much of a backend as `denoise_plane` uses: it has another do everything, and remembers it.

    The components that patches are estimated with are held fixed on the way back: the gradient is
    that of a function which is linear piece by piece.

    Parameters
    ----------
    backend : Backend
        The other one.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._steps: list[Callable[[Slopes], None]] = []
        self._last: list[int] = []
        self._found: list[NDArray[np.float64]] = []

    @property
    def blank(self) -> bool:
        """Whether nothing was done."""
        return not self._steps

    def begin(self, first: FloatArray) -> None:
        """Say in which memory an image is that what follows begins with."""
        places, shape = addresses(first), first.shape[-2:]

        def back(slopes: Slopes) -> None:
            self._found[:0] = [take(slopes, at, shape) for at in places]

        self._steps.append(back)

    def end(self, last: FloatArray) -> None:
        """Say in which memory the image is that came out of it."""
        self._last += addresses(last)

    def pull_back(self, slope: FloatArray) -> FloatArray:
        """Gradient with respect to the planes begun with, given that with respect to the last."""
        slopes: Slopes = dict(zip(self._last, split(slope).astype(np.float64), strict=True))
        self._found.clear()
        for step in reversed(self._steps):
            step(slopes)
        return np.stack(self._found).reshape(slope.shape)

    def prior_passes(
        self,
        calls: Sequence[PassCall],
        model: PatchModel,
        *,
        n_threads: int,
        poll: Poll | None = None,
    ) -> None:
        """See `fastepll.backends.prior_passes`."""
        for call in calls:
            if call.step.estimator != "map":
                raise ValueError(
                    "quality must have estimator 'map' where a gradient is wanted, "
                    f"got {call.step.estimator!r}"
                )
            self._steps.append(self._back_through(call, model, n_threads))
        prior_passes(calls, model, backend=self._backend, n_threads=n_threads, poll=poll)

    def _back_through(
        self, call: PassCall, model: PatchModel, n_threads: int
    ) -> Callable[[Slopes], None]:
        """The way back through a pass that is still to come."""
        image, step, blend, shape = call.image.copy(), call.step, call.blend, call.image.shape[-2:]
        begin, end = addresses(call.image), addresses(call.out)
        noisy = [] if call.noisy is None else addresses(call.noisy)

        def back(slopes: Slopes) -> None:
            slope = np.stack([take(slopes, at, shape) for at in end])
            add(slopes, noisy, (1 - blend) * slope)
            chosen = self._backend.select(image, model, step, n_threads=n_threads)
            mixture = cast("GaussianMixture", model)
            passed = transposed_pass(slope.reshape(image.shape), chosen, mixture, step)
            add(slopes, begin, (blend if noisy else 1.0) * split(passed))

        return back

    def halve(self, image: FloatArray, out: FloatArray, *, n_threads: int) -> FloatArray:
        """See `fastepll.backends.scales.halve`."""
        large, small, shape, half = addresses(image), addresses(out), image.shape, out.shape

        def back(slopes: Slopes) -> None:
            slope = take(slopes, small[0], half)
            add(slopes, large, [transposed_halve(slope, shape)])

        self._steps.append(back)
        return self._backend.halve(image, out, n_threads=n_threads)

    def add_coarse(
        self,
        image: FloatArray,
        coarse: FloatArray,
        weight: float,
        scratch: FloatArray,
        *,
        n_threads: int,
    ) -> None:
        """See `fastepll.backends.scales.add_coarse`."""
        large, small, spoilt = (addresses(each) for each in (image, coarse, scratch))
        shape, half = image.shape, coarse.shape

        def back(slopes: Slopes) -> None:
            slopes.pop(spoilt[0], None)
            change = weight * transposed_enlarge(slopes.get(large[0], np.zeros(shape)), half)
            add(slopes, small, [change])
            add(slopes, large, [-transposed_halve(change, shape)])

        self._steps.append(back)
        self._backend.add_coarse(image, coarse, weight, scratch, n_threads=n_threads)

    def diffuse(
        self,
        image: FloatArray,
        noisy: FloatArray,
        step: DiffusionStep,
        out: FloatArray,
        *,
        origin: tuple[int, int] = (0, 0),
        n_threads: int,
        poll: Poll | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.diffusion.diffuse`."""
        begin, first, end = (addresses(each) for each in (image, noisy, out))
        pair = image.copy(), noisy.copy()

        def back(slopes: Slopes) -> None:
            slope = take(slopes, end[0], out.shape)
            of_image, of_noisy = transposed_step(*pair, step, slope)
            add(slopes, begin, [of_image])
            add(slopes, first, [of_noisy])

        self._steps.append(back)
        return self._backend.diffuse(
            image, noisy, step, out, origin=origin, n_threads=n_threads, poll=poll
        )


def addresses(image: FloatArray) -> list[int]:
    """Where the planes of an image are in memory."""
    return [plane.ctypes.data for plane in split(image)]


def take(slopes: Slopes, at: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The gradient with respect to a plane that was written there: before, there was another."""
    found = slopes.pop(at, None)
    return np.zeros(shape) if found is None else found


def add(slopes: Slopes, places: Sequence[int], values: Iterable[NDArray[np.float64]]) -> None:
    """Add to the gradients with respect to planes that were read."""
    for at, value in zip(places, values, strict=False):
        slopes[at] = slopes[at] + value if at in slopes else value
