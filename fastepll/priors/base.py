"""What a patch prior is: the protocol, and a base class with all that priors share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, SupportsIndex, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import Portable
from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture
from fastepll.priors.storage import FORM
from fastepll.typing import Estimator

Self = TypeVar("Self", bound="Prior")


class Prior(Portable, ABC):
    """Base of the laboratory's priors: checks, coordinates, chunks, files.

    A subclass is constructed as ``Prior(patch_shape, metadata=None, **parameters)`` with its arrays
    of parameters by keyword, which it checks and hands out by `parameters`. It computes in
    coordinates: rows c (m, q), q = d - 1, in the orthonormal cosine basis of mean-free patches.

    Parameters
    ----------
    patch_shape : tuple of int
        ``(8, 8)``, or ``(8, 8, 3)``.
    metadata : mapping, optional
        JSON values: training data, seed, command.
    """

    kind: ClassVar[str]
    """Name in files, tables and on the command line."""
    exact: ClassVar[bool] = True
    """Whether `log_prob` is exact, not an estimate (then `estimate_log_prob` says how good)."""
    chunk: ClassVar[int] = 4096
    """Patches worked on together."""

    def __init__(
        self, patch_shape: Sequence[int], metadata: Mapping[str, JSON] | None = None
    ) -> None:
        shape = tuple(patch_shape)
        self.patch_shape = model_arrays.check_patch_shape(shape, int(np.prod(shape)))
        if len(shape) not in (2, 3) or not 2 <= self.d <= model_arrays.MAX_D:
            raise ValueError(
                f"patch_shape must be (p, q) or (p, q, channels) of 2 to {model_arrays.MAX_D} "
                f"values, got {shape}"
            )
        self.metadata = model_arrays.check_metadata(metadata or {})
        self.basis = dct_basis(self.patch_shape)
        self.basis.flags.writeable = False

    @property
    def d(self) -> int:
        """Values per patch."""
        return int(np.prod(self.patch_shape))

    @property
    def q(self) -> int:
        """Coordinates of a mean-free patch, d - 1."""
        return self.d - 1

    @property
    def mixture(self) -> GaussianMixture | None:
        """The same density as a Gaussian mixture, which `fastepll.restore` takes in its place."""
        return None

    @abstractmethod
    def parameters(self) -> dict[str, Array]:
        """Arrays of parameters by the names that the constructor takes them by."""

    @abstractmethod
    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        """Log density (m,) of coordinates (m, q)."""

    @abstractmethod
    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw coordinates (n, q)."""

    def _score(self, c: Array) -> Array:
        """Gradient of the log density, (m, q)."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient of its log density")

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Estimate (m, q) from noisy coordinates; here MAP by gradient."""
        if estimator != "map":
            raise ValueError(f"estimator must be 'map' for {type(self).__name__}, got 'mean'")
        from fastepll.models.gradient import map_by_gradient

        return map_by_gradient(c, sigma, lambda x: self._log_prob(x, rng), self._score)

    def log_prob(self, patches: ArrayLike) -> Array:
        """Log density of each patch, (n,), in nats.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            On the [0, 1] scale; their means have no part in it.
        """
        c = self._coordinates(patches)
        result = np.empty(len(c))
        for rows, rng in self._chunks(len(c)):
            result[rows] = self._log_prob(c[rows], rng)
        return result

    def score(self, patches: ArrayLike) -> Array:
        """Gradient of the log density with respect to the patch, (n, d), free of mean."""
        c = self._coordinates(patches)
        result = np.empty_like(c)
        for rows, _ in self._chunks(len(c)):
            result[rows] = self._score(c[rows])
        return np.asarray(result @ self.basis.T)

    def sample(self, n: SupportsIndex, rng: np.random.Generator | int) -> Array:
        """Draw n patches without mean, (n, d); `rng` is a NumPy generator or the seed of one."""
        count, generator = model_arrays.check_draw(n, rng)
        return np.asarray(self._sample(count, generator) @ self.basis.T)

    def denoise(self, patches: ArrayLike, sigma: float, estimator: Estimator = "map") -> Array:
        """Estimate clean patches from noisy ones.

        Parameters
        ----------
        patches : array_like, shape (n, d)
            With white Gaussian noise; their means are removed.
        sigma : float
            Standard deviation of the noise, > 0, in units of the patches.
        estimator : {"map", "mean"}
            The most probable patch, or the posterior mean, which has the least squared error.

        Returns
        -------
        numpy.ndarray
            (n, d), free of mean. The same for the same patches: what is random has a fixed seed.
        """
        level = model_arrays.check_sigma(sigma)
        if level == 0:
            raise ValueError("sigma must be > 0, got 0")
        if estimator not in get_args(Estimator):
            raise ValueError(f"estimator must be 'map' or 'mean', got {estimator!r}")
        c = self._coordinates(patches)
        result = np.empty_like(c)
        for rows, rng in self._chunks(len(c)):
            result[rows] = self._denoise(c[rows], level, estimator, rng)
        return np.asarray(result @ self.basis.T)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the prior as ``.npz``: no pickle, with a checksum; `fastepll.priors.load` reads it.

        Parameters
        ----------
        path : str or path
            Must end in ``.npz``.
        overwrite : bool
            Replace an existing file; without it that is a `FileExistsError`.
        """
        FORM.save(
            path, self.kind, self.patch_shape, self.parameters(), self.metadata, overwrite=overwrite
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and send to worker processes through the constructor, which checks again."""
        made = partial(type(self), self.patch_shape, dict(self.metadata), **self.parameters())
        return made, ()

    def __repr__(self) -> str:
        """Kind and sizes."""
        sizes = (f"{name}={value.shape}" for name, value in self.parameters().items())
        return f"{type(self).__name__}({self.patch_shape}, {', '.join(sizes)})"

    def _coordinates(self, patches: ArrayLike) -> Array:
        """Checked patches in the basis, (n, q)."""
        return np.asarray(model_arrays.check_patches(patches, self.d) @ self.basis)

    def _chunks(self, n: int) -> Iterator[tuple[slice, np.random.Generator]]:
        """Slices of n rows, each with random numbers of its own."""
        for i, start in enumerate(range(0, n, self.chunk)):
            yield slice(start, min(start + self.chunk, n)), np.random.default_rng([0, i])


def training_coordinates(patches: ArrayLike, patch_shape: Sequence[int]) -> Array:
    """Coordinates (n, q) of patches (n, d) to fit a prior to, in the cosine basis."""
    basis = dct_basis(tuple(patch_shape))
    array = model_arrays.check_patches(patches, len(basis))
    if len(array) < 2:
        raise ValueError(f"patches must be at least 2, got {len(array)}")
    return np.asarray(array @ basis)


def check_parameter(name: str, value: Any, shape: Sequence[int | None]) -> Array:
    """Return a read-only float64 copy of an array of that shape (None: any length)."""
    array = model_arrays.real_array(name, value, copy=True)
    if array.ndim != len(shape) or any(
        wanted not in (None, have) for wanted, have in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")
    array.flags.writeable = False
    return array


def begin_fit(
    patches: ArrayLike,
    patch_shape: Sequence[int],
    start: GaussianMixture | Self | None,
    n_components: int,
    seed: int,
) -> tuple[NDArray[np.float32], GaussianMixture | Self]:
    """Coordinates to fit a mixture to, and where EM starts: without `start` at Gaussians."""
    c = training_coordinates(patches, patch_shape).astype(np.float32)
    if start is None:
        start = GaussianMixture.fit(
            patches, patch_shape=patch_shape, n_components=n_components, seed=seed
        )
    if tuple(start.patch_shape) != tuple(patch_shape):
        raise ValueError(
            f"start must have patches of {tuple(patch_shape)}, got {tuple(start.patch_shape)}"
        )
    return c, start
