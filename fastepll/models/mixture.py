"""GaussianMixture: the frozen, zero-mean patch prior and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import Portable, kept
from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models import _density
from fastepll.models._npz import naming
from fastepll.models.storage import read_npz, save_npz

StrPath: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture(Portable):
    """Mixture of k zero-mean Gaussians over patches of d values.

    The density is p(z) = sum_i w_i N(z; 0, S_i), S_i = U_i diag(l_i) U_i^T. Arrays are copied,
    converted to float64 and made read-only, so one model can be shared by threads and caches.

    Parameters
    ----------
    weights : array_like, shape (k,)
        Positive, summing to 1; 1 <= k <= 2048.
    eigenvectors : array_like, shape (k, d, d)
        ``eigenvectors[i][:, j]`` is the j-th eigenvector of component i; columns orthonormal.
    eigenvalues : array_like, shape (k, d)
        Variances along the eigenvectors, descending, >= 0, in squared intensity units.
    patch_shape : tuple of int
        Shape of a patch, ``(8, 8)`` or ``(8, 8, 3)``; vectors are its row-major ravel.
    metadata : mapping, optional
        JSON values: training data, seed, command, likelihood.

    Raises
    ------
    TypeError, ValueError
        An argument of the wrong kind, shape or range; the message names it.

    Notes
    -----
    No method removes the mean of a patch: vectors are used as given. EPLL removes each patch's
    mean first, so a prior trained for it is singular along the constant patch. Without noise the
    density of such a prior is the one on the subspace that carries it.

    References
    ----------
    D. Zoran, Y. Weiss, From learning models of natural image patches to whole image restoration,
    ICCV 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.models import GaussianMixture
    >>> model = GaussianMixture.from_covariances(
    ...     [0.5, 0.5], [np.eye(4), 0.01 * np.eye(4)], patch_shape=(2, 2))
    >>> model
    GaussianMixture(n_components=2, n_features=4, patch_shape=(2, 2))
    >>> model.map_estimate(np.full((1, 4), 2.0), sigma=1.0)
    array([[1., 1., 1., 1.]])
    """

    weights: Array
    eigenvectors: Array
    eigenvalues: Array
    patch_shape: tuple[int, ...]
    metadata: Mapping[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check, copy and freeze the fields."""
        weights = model_arrays.check_weights(self.weights)
        values = model_arrays.check_eigenvalues(self.eigenvalues, len(weights))
        shape = model_arrays.check_patch_shape(self.patch_shape, values.shape[1])
        vectors = model_arrays.check_eigenvectors(self.eigenvectors, *values.shape)
        for array in (weights, values, vectors):
            array.flags.writeable = False
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "eigenvalues", values)
        object.__setattr__(self, "eigenvectors", vectors)
        object.__setattr__(self, "patch_shape", shape)
        object.__setattr__(self, "metadata", model_arrays.check_metadata(self.metadata))

    @classmethod
    def from_covariances(
        cls,
        weights: ArrayLike,
        covariances: ArrayLike,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
    ) -> GaussianMixture:
        """Build a mixture from full covariance matrices.

        Parameters
        ----------
        weights : array_like, shape (k,)
            Positive; scaled to sum to 1 if they miss it by no more than 1e-3 (float32 files do).
        covariances : array_like, shape (k, d, d)
            Symmetric, positive semi-definite. Asymmetry and negative eigenvalues up to 1e-5 of the
            largest entry or eigenvalue are rounding and removed; eigenvalues below 10 d 2⁻⁵² of
            the largest become 0.
        patch_shape, metadata
            As for `GaussianMixture`.

        Examples
        --------
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [[[1.0, 0.0], [0.0, 4.0]]], (1, 2))
        >>> model.eigenvalues
        array([[4., 1.]])
        """
        shares = model_arrays.real_array("weights", weights)
        covs = model_arrays.real_array("covariances", covariances)
        k, d = shares.size, covs.shape[-1] if covs.ndim else 0
        if shares.ndim != 1 or not 1 <= k <= model_arrays.MAX_K:
            raise ValueError(
                f"weights must have shape (k,), 1 <= k <= {model_arrays.MAX_K}, got {shares.shape}"
            )
        if covs.shape != (k, d, d) or not 1 <= d <= model_arrays.MAX_D:
            raise ValueError(
                f"covariances must have shape ({k}, d, d), 1 <= d <= {model_arrays.MAX_D}, "
                f"got {covs.shape}"
            )
        if abs(shares.sum() - 1) > 1e-3:
            raise ValueError(f"weights must sum to 1, got {shares.sum():.9g}")
        vectors, values = np.empty((k, d, d)), np.empty((k, d))
        for i, cov in enumerate(covs):
            if np.abs(cov - cov.T).max() > 1e-5 * np.abs(cov).max():
                raise ValueError(f"covariances[{i}] must be symmetric")
            ascending, basis = np.linalg.eigh(0.5 * (cov + cov.T))
            top = ascending[-1]
            if ascending[0] < -1e-5 * max(top, 0.0):
                raise ValueError(
                    f"covariances[{i}] must be positive semi-definite, "
                    f"got an eigenvalue of {ascending[0]:.3g}"
                )
            ascending[ascending <= 10 * d * np.finfo(np.float64).eps * top] = 0.0
            values[i], vectors[i] = ascending[::-1], basis[:, ::-1]
        return cls(shares / shares.sum(), vectors, values, tuple(patch_shape), metadata or {})

    @classmethod
    def fit(cls, patches: ArrayLike, **options: Any) -> GaussianMixture:
        """Fit a mixture to patches (n, d) by EM; see `fastepll.train.fit_mixture` (needs torch)."""
        from fastepll.train.fit import fit_arrays

        learnt, metadata = fit_arrays(patches, **options)
        return cls(*learnt, metadata)

    @classmethod
    def load(cls, path: StrPath) -> GaussianMixture:
        """Read a model from a fastepll ``.npz`` or a Zoran and Weiss ``.mat`` file.

        Raises
        ------
        ValueError
            Not a model file, damaged, or with arrays that make no mixture; names the file.
        ImportError
            A ``.mat`` file of version 7.3 and no h5py installed.
        """
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix not in (".npz", ".mat"):
            raise ValueError(f"path must end in .npz or .mat, got {os.fspath(path)!r}")
        with open(path, "rb") as file, naming(path):
            if suffix == ".npz":
                return cls(*read_npz(file))
            from fastepll.models._matlab import read_zoran_weiss

            return cls.from_covariances(*read_zoran_weiss(file))

    def save(
        self,
        path: StrPath,
        *,
        overwrite: bool = False,
        precision: Literal["float32", "float64", "int16"] = "float32",
    ) -> None:
        """Write the model as ``.npz``: no pickle, versioned, with a checksum of its contents.

        Parameters
        ----------
        path : str or path
            Must end in ``.npz``.
        overwrite : bool
            Replace an existing file; without it that is a `FileExistsError`.
        precision : {"float32", "float64", "int16"}
            Of the stored eigenvectors. float32 halves the file; loading restores orthonormality,
            the eigenvectors then differ by about 1e-7. float64 round-trips bit for bit. int16 takes
            a quarter of the space of float32: rounded Householder reflectors, of which loading
            makes orthonormal eigenvectors that differ by about 1e-4, and maybe in sign. A last
            eigenvector that is constant stays so. Eigenvalues are exact in all three.

        Examples
        --------
        >>> import os, tempfile
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [[[2.0]]], (1, 1), {"seed": 0})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "tiny.npz"))
        ...     dict(GaussianMixture.load(os.path.join(folder, "tiny.npz")).metadata)
        {'seed': 0}
        """
        save_npz(self, path, overwrite=overwrite, precision=precision)

    @property
    def n_components(self) -> int:
        """Number of components, ``k`` for short."""
        return len(self.weights)

    @property
    def n_features(self) -> int:
        """Values per patch, ``d`` for short."""
        return int(self.eigenvalues.shape[1])

    k, d = n_components, n_features

    @kept
    def covariances(self) -> Array:
        """Covariance matrices (k, d, d), read-only, computed once."""
        covs = np.empty(self.eigenvectors.shape)
        for cov, basis, values in zip(covs, self.eigenvectors, self.eigenvalues, strict=True):
            half = basis * np.sqrt(values)
            np.matmul(half, half.T, out=cov)
        covs.flags.writeable = False
        return covs

    def log_prob(self, patches: ArrayLike, sigma: float = 0.0) -> Array:
        """Return the log-density of each patch in nats, (n,).

        Parameters
        ----------
        patches : array_like, shape (n, d)
            Vectors as given; no mean is removed.
        sigma : float
            Standard deviation of white noise on the patches, in their units, >= 0.

        Examples
        --------
        >>> import numpy as np
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [np.eye(2)], patch_shape=(1, 2))
        >>> model.log_prob([[0.0, 0.0]]) + np.log(2 * np.pi)
        array([0.])
        """
        return self._each(_density.log_prob_chunk, patches, sigma, ())

    def responsibilities(self, patches: ArrayLike, sigma: float = 0.0) -> Array:
        """Return the posterior probability of each component for each patch, (n, k).

        Parameters are those of `log_prob`; rows sum to 1.

        Examples
        --------
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([0.5, 0.5], [[[1.0]], [[100.0]]], (1, 1))
        >>> model.responsibilities([[0.0], [9.0]], sigma=1.0).round(2)
        array([[0.88, 0.12],
               [0.  , 1.  ]])
        """
        return self._each(_density.share_chunk, patches, sigma, (self.k,))

    def score(self, patches: ArrayLike, sigma: float = 0.0) -> Array:
        """Return the gradient of `log_prob`, of the same parameters, in each patch, (n, d).

        Examples
        --------
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [[[4.0]]], (1, 1))
        >>> model.score([[2.0]])
        array([[-0.5]])
        """
        return self._each(_density.score_chunk, patches, sigma, (self.d,))

    def map_estimate(self, patches: ArrayLike, sigma: float) -> Array:
        """Return EPLL's estimate of the clean patches (n, d) from noisy ones.

        The component k* = argmax log w_k - ½ log|S_k + σ²I| - ½ zᵀ(S_k + σ²I)⁻¹z is chosen, then
        the patch is S_k*(S_k* + σ²I)⁻¹z. Parameters are those of `log_prob`.
        """
        return self._each(_density.map_chunk, patches, sigma, (self.d,))

    def posterior_mean(self, patches: ArrayLike, sigma: float) -> Array:
        """Return E[clean patch | noisy patch] (n, d), the exact least-squares (MMSE) estimate.

        The Wiener estimates of all components are weighted by `responsibilities`. Parameters are
        those of `log_prob`.

        Examples
        --------
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [[[3.0]]], (1, 1))
        >>> model.posterior_mean([[2.0]], sigma=1.0)
        array([[1.5]])
        """
        return self._each(_density.mean_chunk, patches, sigma, (self.d,))

    def denoise(
        self, patches: ArrayLike, sigma: float, estimator: Literal["map", "mean"] = "map"
    ) -> Array:
        """Return `map_estimate` or `posterior_mean`, as `fastepll.priors.PatchPrior` has it."""
        if estimator not in ("map", "mean"):
            raise ValueError(f"estimator must be 'map' or 'mean', got {estimator!r}")
        estimate = self.map_estimate if estimator == "map" else self.posterior_mean
        return estimate(patches, sigma)

    def sample(self, n: SupportsIndex, rng: np.random.Generator | int) -> Array:
        """Draw n patches (n, d); `rng` is a NumPy generator or the seed of one.

        Examples
        --------
        >>> import numpy as np
        >>> from fastepll.models import GaussianMixture
        >>> model = GaussianMixture.from_covariances([1.0], [np.eye(4)], patch_shape=(2, 2))
        >>> model.sample(3, rng=0).shape
        (3, 4)
        """
        return _density.draw(self, *model_arrays.check_draw(n, rng))

    def __repr__(self) -> str:
        """Sizes, not arrays."""
        sizes = f"n_components={self.k}, n_features={self.d}, patch_shape={self.patch_shape}"
        return f"GaussianMixture({sizes})"

    def __reduce__(self) -> tuple[object, ...]:
        """Copy and send to worker processes through the constructor, which checks again."""
        arrays = (self.weights, self.eigenvectors, self.eigenvalues)
        return (GaussianMixture, (*arrays, self.patch_shape, dict(self.metadata)))

    def _each(
        self,
        function: Callable[[GaussianMixture, Array, float], Array],
        patches: ArrayLike,
        sigma: float,
        shape: tuple[int, ...],
    ) -> Array:
        """Check patches and sigma, and run what gives a result of that shape of each in chunks."""
        z = model_arrays.check_patches(patches, self.d)
        variance = model_arrays.check_sigma(sigma) ** 2
        _density.common_support(self, variance)
        result = np.empty((len(z), *shape))
        for rows in _density.chunks(z):
            result[rows] = function(self, z[rows], variance)
        return result
