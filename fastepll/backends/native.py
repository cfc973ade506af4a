"""The C++ core as a backend: prepares models for it and keeps what was prepared."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastepll import _core
from fastepll.backends import PassCall
from fastepll.backends._basis import planar_order, principal_axes
from fastepll.settings import Pass
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture

KEPT_BYTES = 128 << 20  # of prepared tables: about 1 MB for each pass of 200 8x8 components


class NativeBackend:
    """The compiled core at one instruction-set level (``FASTEPLL_SIMD``, else the fastest)."""

    name: BackendName = "native"
    dtype = np.float32

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mixtures: WeakKeyDictionary[GaussianMixture, dict[str, _core.Mixture]] = (
            WeakKeyDictionary()
        )
        self._prepared: OrderedDict[tuple[object, ...], _core.Prepared] = OrderedDict()

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        step: Pass,
        *,
        n_threads: int,
        poll: Poll | None = None,
        blend: float = 1.0,
        noisy: FloatArray | None = None,
        out: FloatArray | None = None,
        hints: IntArray | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        if out is None:
            out = np.empty(image.shape, np.float32)
        call = PassCall(image, step, out, blend, noisy, hints)
        self.prior_passes([call], model, n_threads=n_threads, poll=poll)
        return out

    def prior_passes(
        self,
        calls: Sequence[PassCall],
        model: GaussianMixture,
        *,
        n_threads: int,
        poll: Poll | None = None,
    ) -> None:
        """Passes that do not need one another's results, all in one loop over the threads."""
        given: list[_core.Call] = [
            (
                call.image,
                self.prepare(model, call.step, n_threads),
                call.step.stride,
                *call.step.shift,
                call.noisy,
                call.blend,
                call.hints,
                call.out,
            )
            for call in calls
        ]
        _core.prior_passes(given, n_threads, poll)

    def select(
        self,
        image: FloatArray,
        model: GaussianMixture,
        step: Pass,
        *,
        n_threads: int,
        exhaustive: bool = False,
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`; ``exhaustive`` computes every cost to the end."""
        prepared = self.prepare(model, step, n_threads)
        return _core.select(image, prepared, step.stride, *step.shift, exhaustive, n_threads)

    def log_probs(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, *, n_threads: int
    ) -> NDArray[np.float64]:
        """See `fastepll.backends.Backend.log_probs`."""
        full = Pass(noise_var=noise_var, selection="cascade", screen_dims=1, refine_dims=model.d)
        return _core.log_probs(image, self.prepare(model, full, n_threads), n_threads)

    def halve(self, image: FloatArray, out: FloatArray, *, n_threads: int) -> FloatArray:
        """See `fastepll.scales.halve`."""
        _core.halve(image, out, n_threads)
        return out

    def add_coarse(
        self,
        image: FloatArray,
        coarse: FloatArray,
        weight: float,
        scratch: FloatArray,
        *,
        n_threads: int,
    ) -> None:
        """See `fastepll.scales.add_coarse`."""
        _core.add_coarse(image, coarse, weight, scratch, n_threads)

    def level(self) -> str:
        """Instruction-set level in use; ValueError if FASTEPLL_SIMD asks for what is not there."""
        wanted = os.environ.get("FASTEPLL_SIMD", "")
        try:
            return _core.resolve_level(wanted)
        except ValueError as error:
            raise ValueError(f"environment variable FASTEPLL_SIMD: {error}") from None

    def prepare(self, model: GaussianMixture, step: Pass, n_threads: int) -> _core.Prepared:
        """Tables of the model for a pass; those used last are kept, up to `KEPT_BYTES`."""
        level = self.level()
        with self._lock:
            by_level = self._mixtures.setdefault(model, {})
            if level not in by_level:
                by_level[level] = native_mixture(model, level, n_threads)
            mixture = by_level[level]
            exact = step.selection == "exact"
            wanted = (
                step.noise_var,
                exact,
                8 if exact else step.screen_dims,
                32 if exact else step.refine_dims,
                0.0 if exact else step.margin,
                0.0 if exact else step.middle_margin,
                step.estimator == "mean",
                step.weighting == "confidence",
                step.rank_tolerance,
                step.window,
            )
            key = (mixture, *wanted)
            if key not in self._prepared:
                result = self._prepared[key] = mixture.prepare(*wanted, n_threads)
                while sum(kept.nbytes for kept in self._prepared.values()) > KEPT_BYTES:
                    self._prepared.popitem(last=False)
                return result
            self._prepared.move_to_end(key)
            return self._prepared[key]


def native_mixture(model: GaussianMixture, level: str, n_threads: int) -> _core.Mixture:
    """The mixture in the layout of the core."""
    order = planar_order(model)
    height, width = model.patch_shape[:2]
    return _core.Mixture(
        weights=model.weights,
        eigenvalues=model.eigenvalues,
        eigenvectors=model.eigenvectors[:, order],
        basis=principal_axes(model)[:, order],
        height=height,
        width=width,
        channels=model.d // (height * width),
        level=level,
        n_threads=n_threads,
    )


backend = NativeBackend()
