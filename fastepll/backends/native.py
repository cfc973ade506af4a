"""The C++ core as a backend: prepares models for it and keeps what was prepared."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastepll import _core
from fastepll.backends import PassCall
from fastepll.backends._basis import planar_order, principal_axes
from fastepll.backends.passes import Pass
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture
    from fastepll.models.diffusion import DiffusionStep

KEPT_BYTES = 256 << 20  # 7 MB for a mixture of 200 8x8 components, and 1 or 2 MB for each pass

T = TypeVar("T")


class Once(Generic[T]):
    """What the first thread that asks for it makes, while others that want it wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.made: T | None = None
        self.used = 0  # when last, by the clock of the backend

    def get(self, make: Callable[[], T]) -> T:
        """The value; if making it fails, the next who asks tries again."""
        if self.made is None:
            with self._lock:
                if self.made is None:
                    self.made = make()
        return self.made


@dataclass(eq=False)
class Kept:
    """A model in the layout of the core, and its tables."""

    mixture: Once[_core.Mixture] = field(default_factory=Once)
    tables: dict[tuple[object, ...], Once[_core.PreparedMixture]] = field(default_factory=dict)


class NativeBackend:
    """The compiled core at one instruction set (``FASTEPLL_SIMD``, else the fastest)."""

    name: BackendName = "native"
    dtype = np.float32

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of what follows; nothing is computed under it
        self._kept: WeakKeyDictionary[GaussianMixture, dict[str, Kept]] = WeakKeyDictionary()
        self._clock = itertools.count(1)

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
        full = Pass(noise_var=noise_var, selection="cascade", n_screen=1, n_refine=model.d)
        return _core.log_probs(image, self.prepare(model, full, n_threads), n_threads)

    def halve(self, image: FloatArray, out: FloatArray, *, n_threads: int) -> FloatArray:
        """See `fastepll.backends.scales.halve`."""
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
        """See `fastepll.backends.scales.add_coarse`."""
        _core.add_coarse(image, coarse, weight, scratch, n_threads)

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
        made = _core.DiffusionStep(
            step.analysis,
            step.values,
            step.synthesis,
            *step.patch_shape,
            reach=step.reach,
            reaction=step.reaction,
            guided=step.guided,
            isa=self.isa(),
        )
        _core.diffuse(image, noisy, made, out, origin, n_threads, poll)
        return out

    def isa(self) -> str:
        """Instruction set in use; ValueError if FASTEPLL_SIMD asks for what is not there."""
        wanted = os.environ.get("FASTEPLL_SIMD", "")
        try:
            return _core.resolve_isa(wanted)
        except ValueError as error:
            raise ValueError(f"environment variable FASTEPLL_SIMD: {error}") from None

    def prepare(self, model: GaussianMixture, step: Pass, n_threads: int) -> _core.PreparedMixture:
        """Tables of the model for a pass; those used last are kept, up to `KEPT_BYTES`.

        Threads that want the same tables wait for the one that makes them, and for no other.
        """
        isa = self.isa()
        exact = step.selection == "exact"
        wanted = (
            step.noise_var,
            exact,
            8 if exact else step.n_screen,
            32 if exact else step.n_refine,
            0.0 if exact else step.margin,
            0.0 if exact else step.middle_margin,
            step.estimator == "top_mean",
            step.weighting == "confidence",
            step.rank_tolerance,
            step.window_decay,
        )
        with self._lock:
            kept = self._kept.setdefault(model, {}).setdefault(isa, Kept())
            tables = kept.tables.setdefault(wanted, Once())
            tables.used = next(self._clock)
        if tables.made is not None:
            return tables.made
        try:
            mixture = kept.mixture.get(lambda: native_mixture(model, isa, n_threads))
            return tables.get(lambda: mixture.prepare(*wanted, n_threads))
        finally:
            with self._lock:
                if tables.made is None:
                    kept.tables.pop(wanted, None)
                self._make_room()

    def nbytes(self) -> int:
        """Bytes of all mixtures and tables that are kept."""
        with self._lock:
            return sum(size(kept) for kept in self._all())

    def _all(self) -> list[Kept]:
        return [kept for by_isa in list(self._kept.values()) for kept in by_isa.values()]

    def _make_room(self) -> None:
        """Forget the tables used longest ago, and mixtures of which none are left."""
        kept = self._all()
        total = sum(map(size, kept))
        made = [
            (tables.used, wanted, owner)
            for owner in kept
            for wanted, tables in owner.tables.items()
            if tables.made is not None
        ]
        made.sort(key=lambda entry: entry[0])
        for _, wanted, owner in made[:-1]:  # the last is in use
            if total <= KEPT_BYTES:
                return
            total -= size(owner)
            del owner.tables[wanted]
            if not owner.tables:
                owner.mixture = Once()
            total += size(owner)

    def forget_unmade(self) -> None:
        """In a forked child: the threads that were making something do not exist there."""
        self._lock = threading.Lock()
        for kept in self._all():
            if kept.mixture.made is None:
                kept.mixture = Once()
            kept.tables = {key: once for key, once in kept.tables.items() if once.made is not None}


def size(kept: Kept) -> int:
    """Bytes of what is made of it."""
    parts = [kept.mixture.made, *(once.made for once in kept.tables.values())]
    return sum(part.nbytes for part in parts if part is not None)


def native_mixture(model: GaussianMixture, isa: str, n_threads: int) -> _core.Mixture:
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
        isa=isa,
        n_threads=n_threads,
    )


backend = NativeBackend()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=backend.forget_unmade)
