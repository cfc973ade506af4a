"""The ways to compute one pass of the prior: native C++, numba, the NumPy definition, torch."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.backends.passes import Pass
    from fastepll.models.adapted import PatchModel
    from fastepll.models.diffusion import DiffusionStep


@dataclass(frozen=True, eq=False)
class PassCall:
    """Arguments of `Backend.prior_pass`, for several passes at a time."""

    image: FloatArray
    step: Pass
    out: FloatArray
    blend: float = 1.0
    noisy: FloatArray | None = None
    hints: IntArray | None = None


class Backend(Protocol):
    """One implementation of the prior pass; all of them agree with ``reference``.

    Images are (height, width), or (channels, height, width) for a model of patches with channels,
    C-contiguous, finite, of ``dtype``, with intensities scaled to [0, 1], and at least as large as
    a patch: callers have checked (`fastepll._validation`). Models that are no Gaussian mixture come
    to what `backend_for` gives for them alone.
    """

    @property
    def name(self) -> BackendName:
        """Name by which users choose it."""

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Floating-point type it computes in."""

    def prior_pass(
        self,
        image: FloatArray,
        model: PatchModel,
        step: Pass,
        *,
        n_threads: int,
        poll: Poll | None = None,
        blend: float = 1.0,
        noisy: FloatArray | None = None,
        out: FloatArray | None = None,
        hints: IntArray | None = None,
    ) -> FloatArray:
        """Average, per pixel, of the estimates of the patches that cover it; same shape.

        With ``noisy``, (1 - blend) noisy + blend average. ``out`` is written to and returned; it
        is neither ``image`` nor ``noisy``. ``hints``, like the result of `select`, names components
        that may win (-1: unknown); a backend that looks at them, to be faster, leaves the winners
        there for the next pass. They do not change the result.
        """

    def select(
        self, image: FloatArray, model: PatchModel, step: Pass, *, n_threads: int
    ) -> IntArray:
        """Best component of each patch, (rows, columns) of the grid of the pass."""

    def log_probs(
        self, image: FloatArray, model: PatchModel, noise_var: float, *, n_threads: int
    ) -> NDArray[np.float64]:
        """Log density of every patch, (rows, columns), under the mixture with white noise.

        Of its d - 1 coefficients orthogonal to the constant patch, in nats.
        """

    def halve(self, image: FloatArray, out: FloatArray, *, n_threads: int) -> FloatArray:
        """See `fastepll.backends.scales.halve`."""

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


def prior_passes(
    calls: Sequence[PassCall],
    model: PatchModel,
    *,
    backend: Backend,
    n_threads: int,
    poll: Poll | None = None,
) -> None:
    """Passes that do not need one another's results; at once where the backend can do that."""
    if hasattr(backend, "prior_passes"):
        backend.prior_passes(calls, model, n_threads=n_threads, poll=poll)
        return
    for call in calls:
        backend.prior_pass(
            call.image,
            model,
            call.step,
            n_threads=n_threads,
            poll=poll if call is calls[0] else None,
            blend=call.blend,
            noisy=call.noisy,
            out=call.out,
            hints=call.hints,
        )


def why_not(name: BackendName) -> str | None:
    """Reason why a backend cannot be used here, None if it can."""
    if name == "native":
        try:
            importlib.import_module("fastepll._core")
        except ImportError as error:
            return f"the compiled extension is absent ({error})"
    elif name in ("numba", "torch") and importlib.util.find_spec(name) is None:
        return f"{name} is not installed"
    return None


@cache
def get_backend(name: BackendName | None = None) -> Backend:
    """Backend by name, or the fastest one that this installation has.

    Raises
    ------
    ValueError
        Unknown name, or a backend that this installation lacks (the message says why).
    """
    names: tuple[BackendName, ...] = get_args(BackendName)
    if name is None:
        for candidate in names:
            with contextlib.suppress(ImportError):  # a numba that does not fit this NumPy, say
                if why_not(candidate) is None:
                    return get_backend(candidate)
    if name not in names:
        raise ValueError(f"backend must be one of {names} or None, got {name!r}")
    if reason := why_not(name):
        raise ValueError(f"backend {name!r} cannot be used: {reason}")
    module = importlib.import_module(f"fastepll.backends.{name}")
    return cast("Backend", module.backend)


def backend_for(model: PatchModel, name: BackendName | None = None) -> Backend:
    """`get_backend`, for a model that may be another prior than a Gaussian mixture."""
    from fastepll.models import GaussianMixture

    backend = get_backend(name)
    if isinstance(model, GaussianMixture):
        return backend
    from fastepll.backends.generic import GenericBackend

    return GenericBackend(backend)
