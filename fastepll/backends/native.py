"""The C++ core as a backend: prepares models for it and keeps what was prepared."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import numpy as np

from fastepll import _core
from fastepll.typing import BackendName, FloatArray, IntArray, Poll

if TYPE_CHECKING:
    from fastepll.models import GaussianMixture

N_PREPARED = 16  # (model, noise variance) pairs kept; about 2 MB each for 200 8x8 components


class NativeBackend:
    """The compiled core at one instruction-set level (``FASTEPLL_SIMD``, else the fastest)."""

    name: BackendName = "native"
    dtype = np.float32

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mixtures: WeakKeyDictionary[GaussianMixture, dict[str, _core.Mixture]] = (
            WeakKeyDictionary()
        )
        self._prepared: OrderedDict[tuple[_core.Mixture, float], _core.Prepared] = OrderedDict()

    def prior_pass(
        self,
        image: FloatArray,
        model: GaussianMixture,
        noise_var: float,
        *,
        n_threads: int,
        poll: Poll | None = None,
    ) -> FloatArray:
        """See `fastepll.backends.Backend.prior_pass`."""
        prepared = self._prepare(model, noise_var, n_threads)
        return _core.prior_pass(image, prepared, n_threads, poll)

    def select(
        self, image: FloatArray, model: GaussianMixture, noise_var: float, *, n_threads: int
    ) -> IntArray:
        """See `fastepll.backends.Backend.select`."""
        return self.select_by("bounded", image, model, noise_var, n_threads=n_threads)

    def select_by(
        self,
        strategy: Literal["exhaustive", "bounded"],
        image: FloatArray,
        model: GaussianMixture,
        noise_var: float,
        *,
        n_threads: int,
    ) -> IntArray:
        """`select` by one of the core's strategies; they choose alike and differ in time."""
        prepared = self._prepare(model, noise_var, n_threads)
        return _core.select(image, prepared, _core.Selection[strategy], n_threads)

    def level(self) -> str:
        """Instruction-set level in use; ValueError if FASTEPLL_SIMD asks for what is not there."""
        wanted = os.environ.get("FASTEPLL_SIMD", "")
        try:
            return _core.resolve_level(wanted)
        except ValueError as error:
            raise ValueError(f"environment variable FASTEPLL_SIMD: {error}") from None

    def _prepare(self, model: GaussianMixture, noise_var: float, n_threads: int) -> _core.Prepared:
        level = self.level()
        with self._lock:
            by_level = self._mixtures.setdefault(model, {})
            if level not in by_level:
                by_level[level] = native_mixture(model, level, n_threads)
            key = (by_level[level], noise_var)
            if key not in self._prepared:
                self._prepared[key] = key[0].prepare(noise_var, n_threads)
            self._prepared.move_to_end(key)
            if len(self._prepared) > N_PREPARED:
                self._prepared.popitem(last=False)
            return self._prepared[key]


def native_mixture(model: GaussianMixture, level: str, n_threads: int) -> _core.Mixture:
    """The mixture in the layout of the core.

    Coefficients are taken in an orthonormal basis that all components share: the constant vector,
    which mean-free patches do not need, then the principal axes of the mixture's own covariance.
    """
    d, lead = model.d, -(-model.d // 4)  # the leading eigenvectors have nearly all the variance
    shares = model.weights[:, None] * model.eigenvalues[:, :lead]
    roots = (model.eigenvectors[:, :, :lead] * np.sqrt(shares)[:, None]).transpose(1, 0, 2)
    total = roots.reshape(d, -1) @ roots.reshape(d, -1).T
    constant = np.full(d, d**-0.5)
    centre = np.eye(d) - np.outer(constant, constant)
    axes = np.linalg.eigh(centre @ total @ centre - np.outer(constant, constant))[1]
    height, width = model.patch_shape[:2]
    return _core.Mixture(
        weights=model.weights,
        eigenvalues=model.eigenvalues,
        eigenvectors=model.eigenvectors,
        basis=np.vstack([constant, axes[:, :0:-1].T]),
        height=height,
        width=width,
        level=level,
        n_threads=n_threads,
    )


backend = NativeBackend()
