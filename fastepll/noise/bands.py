"""A mixture in bands of DCT frequencies: what it says of the noise in smooth patches."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastepll.backends import why_not
from fastepll.images.cosines import dct_matrix
from fastepll.models import GaussianMixture
from fastepll.noise import patches as numpy_steps
from fastepll.typing import FloatArray, IntArray

Float64 = numpy_steps.Float64

LOW = 10  # bands up to this one tell how smooth a patch is; the others tell of the noise
LAST = 13  # the band of the highest frequencies
ROWS = 64  # patches a product: so few that BLAS wakes no threads, which would be slower


@dataclass(frozen=True, eq=False)
class Bands:
    """Variances of a mixture in bands of the DCT, lowest frequencies first.

    A coefficient of frequency u / (p - 1) + v / (q - 1) = f / 7, f in [0, 14], is in band round(f),
    of which those beyond `LAST` are one. The constant one is in none.
    """

    shape: tuple[int, int]
    atoms: Float64  # (n, d), rows are cosines
    counts: NDArray[np.intp]  # how many of them are in each band
    n_low: int
    variances: Float64  # (bands, k): of a coefficient, without noise
    log_weights: Float64  # (k,)

    @cached_property
    def high(self) -> FloatArray:
        """Cosines of the high bands, (n, d)."""
        return self.atoms[self.counts[: self.n_low].sum() :].astype(np.float32)

    def squared_norms(self, patches: FloatArray) -> Float64:
        """Of patches (n, p, q) in each band, (n, bands)."""
        z: Float64 = patches.reshape(len(patches), -1).astype(np.float64)
        z = z - z.mean(axis=1, keepdims=True)
        parts = [z[start : start + ROWS] @ self.atoms.T for start in range(0, len(z), ROWS)]
        first = np.cumsum(self.counts) - self.counts
        total: Float64 = np.add.reduceat(np.square(np.concatenate(parts)), first, axis=1)
        return total

    def log_likelihood(self, squared_norms: Float64, sigmas: Float64, n_threads: int) -> Float64:
        """Of the high bands of all patches given their low ones, (len(sigmas),)."""
        variances = self.variances + np.square(sigmas)[:, None, None]
        log_dets = -0.5 * self.counts[:, None] * np.log(variances)
        ends = np.stack([log_dets[:, : self.n_low].sum(axis=1), log_dets.sum(axis=1)], axis=1)
        offsets = ends + self.log_weights
        low = squared_norms.astype(np.float32)
        total: Float64 = conditional_log_probs(
            low, 1 / variances, offsets, self.n_low, n_threads
        ).sum(axis=0)
        return total


def make_bands(model: GaussianMixture) -> Bands:
    """The bands of a mixture of gray patches."""
    p, q = (int(side) for side in model.patch_shape)
    frequency = np.add.outer(np.arange(p) / (p - 1), np.arange(q) / (q - 1)).ravel()
    order = np.argsort(frequency, kind="stable")[1:]  # without the constant one
    band = np.minimum(np.rint(7 * frequency[order] - 1e-9), LAST)
    names, counts = np.unique(band, return_counts=True)
    atoms = np.kron(dct_matrix(p), dct_matrix(q))[order].astype(np.float64)
    variances = np.empty((len(atoms), model.k))
    for i, (basis, values) in enumerate(zip(model.eigenvectors, model.eigenvalues, strict=True)):
        variances[:, i] = np.square(atoms @ basis) @ values
    variances -= (
        variances.min()
    )  # as much white noise as all photographs have that it was fitted to
    first = np.cumsum(counts) - counts
    return Bands(
        shape=(p, q),
        atoms=atoms,
        counts=counts,
        n_low=int((names <= LOW).sum()),
        variances=np.add.reduceat(variances, first, axis=0) / counts[:, None],
        log_weights=np.log(model.weights),
    )


_kept: WeakKeyDictionary[GaussianMixture, Bands] = WeakKeyDictionary()
_lock = threading.Lock()


def bands_of(model: GaussianMixture) -> Bands:
    """The same, made once for each model that lives."""
    with _lock:
        found = _kept.get(model)
    if found is None:
        found = make_bands(model)
        with _lock:
            _kept[model] = found
    return found


def patch_statistics(
    plane: FloatArray, corners: IntArray, bands: Bands, side: int, n_threads: int
) -> FloatArray:
    """See `fastepll.noise.patches.patch_statistics`; by the compiled core where there is one."""
    if why_not("native"):
        return numpy_steps.patch_statistics(plane, corners, bands.shape, bands.high, side)
    from fastepll import _core

    return _core.patch_statistics(
        plane, corners, *bands.shape, bands.high, side, native_isa(), n_threads
    )


def conditional_log_probs(
    squared_norms: FloatArray, precisions: Float64, offsets: Float64, n_low: int, n_threads: int
) -> Float64:
    """See `fastepll.noise.patches.conditional_log_probs`; by the compiled core if there is one."""
    if why_not("native"):
        return numpy_steps.conditional_log_probs(squared_norms, precisions, offsets, n_low)
    from fastepll import _core

    return _core.conditional_log_probs(
        squared_norms, precisions, offsets, n_low, native_isa(), n_threads
    )


def native_isa() -> str:
    """Instruction set of the core in use."""
    from fastepll.backends.native import backend

    return backend.isa()
