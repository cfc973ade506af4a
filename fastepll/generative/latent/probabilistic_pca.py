"""Probabilistic PCA: a Gaussian of few factors and white noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._portable import kept
from fastepll._validation.generative import check_data_shape, check_rows
from fastepll._validation.model_arrays import JSON, Array, real_array
from fastepll.generative.base import GenerativeModel
from fastepll.models.gaussians import Gaussians, log_standard
from fastepll.priors._vae.variational import Elbo, check_latents
from fastepll.priors.ais import check_count

Encoder = Callable[[Array], Gaussians]
LOG_2PI = float(np.log(2 * np.pi))


class ProbabilisticPCA(GenerativeModel):
    """x = mean + W z + noise, with z ~ N(0, I) and white noise.

    Parameters
    ----------
    shape, metadata
        As for `GenerativeModel`.
    mean : array_like, shape (d,)
    factors : array_like, shape (d, k)
        W.
    variance : float
        Of the noise, > 0.

    Raises
    ------
    ValueError
        Arrays of another shape, or a variance that is not positive.

    References
    ----------
    M. E. Tipping, C. M. Bishop, Probabilistic principal component analysis, JRSS B, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from fastepll.generative import ProbabilisticPCA
    >>> model = ProbabilisticPCA((2,), mean=[0, 0], factors=[[1], [1]], variance=1.0)
    >>> x = np.array([[1.0, 2.0]])
    >>> model.log_prob(x).round(4)  # of N(0, [[2, 1], [1, 2]])
    array([-3.3872])
    >>> bool(np.isclose(model.elbo(x).values, model.log_prob(x)))
    True
    """

    kind: ClassVar[str] = "probabilistic-pca"
    domain: ClassVar = "real"

    def __init__(
        self,
        shape: Sequence[int],
        metadata: Mapping[str, JSON] | None = None,
        *,
        mean: ArrayLike,
        factors: ArrayLike,
        variance: ArrayLike,
    ) -> None:
        super().__init__(shape, metadata)
        arrays = {"mean": mean, "factors": factors, "variance": variance}
        self.mean, self.factors, level = (
            real_array(name, value, copy=True) for name, value in arrays.items()
        )
        if self.mean.shape != (self.d,):
            raise ValueError(f"mean must have shape ({self.d},), got {self.mean.shape}")
        if self.factors.ndim != 2 or len(self.factors) != self.d or not self.factors.size:
            raise ValueError(f"factors must have shape ({self.d}, k), got {self.factors.shape}")
        if level.shape != () or level <= 0:
            raise ValueError(f"variance must be a number > 0, got {variance!r}")
        self.variance = float(level)
        self.mean.flags.writeable = self.factors.flags.writeable = False

    @classmethod
    def fit(
        cls, x: ArrayLike, *, n_latents: SupportsIndex, shape: Sequence[int] | None = None
    ) -> ProbabilisticPCA:
        """Maximise the likelihood, in closed form.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
            At least 2 data.
        n_latents : int
            k, from 1 to d - 1.
        shape : tuple of int, optional
            Of a datum; by default as x has it.

        Raises
        ------
        ValueError
            No variance is left for the noise: k is at least the rank of the data.
        """
        found = check_data_shape(x, shape)
        rows = check_rows("x", x, found, "real")
        n, d = rows.shape
        k = check_count("n_latents", n_latents, 1)
        if n < 2 or k >= d:
            raise ValueError(f"x must be 2 data or more of {k + 1} values or more, got {(n, d)}")
        mean = rows.mean(0)
        centred = rows - mean
        if n < d:  # the same eigenvalues, of a smaller matrix
            values, vectors = np.linalg.eigh(centred @ centred.T / n)
            vectors = centred.T @ vectors / np.sqrt(np.maximum(n * values, 1e-300))
        else:
            values, vectors = np.linalg.eigh(centred.T @ centred / n)
        order = np.argsort(values)[::-1][:k]
        rest = values.sum() - values[order].sum()
        if k > len(order) or not rest > 1e-12 * values.sum():
            raise ValueError(f"n_latents must be less than the rank of the data, got {k}")
        variance = rest / (d - k)
        factors = vectors[:, order] * np.sqrt(np.maximum(values[order] - variance, 0))
        return cls(found, {"n_data": n}, mean=mean, factors=factors, variance=variance)

    @property
    def n_latents(self) -> int:
        """Latent variables, k."""
        return int(self.factors.shape[1])

    @property
    def n_parameters(self) -> int:
        """Free parameters; W counts but for a rotation of z."""
        k = min(self.n_latents, self.d)
        return self.d + self.d * k - k * (k - 1) // 2 + 1

    def parameters(self) -> dict[str, Array]:
        """Arrays of parameters, as the constructor takes them."""
        return {"mean": self.mean, "factors": self.factors, "variance": np.array(self.variance)}

    def encode(self, x: ArrayLike) -> Gaussians:
        """The posterior of z given each datum, exactly."""
        rows = check_rows("x", x, self.shape, self.domain)
        return self._posterior(rows, np.ones(self.d, bool))

    def elbo(self, x: ArrayLike, encoder: Encoder | None = None) -> Elbo:
        """Evidence lower bound of each datum, exactly.

        Parameters
        ----------
        x : array_like, shape (n, d) or (n, ...)
        encoder : callable, optional
            Takes rows (n, d) to Gaussians of z; by default to the posterior, with which the bound
            is log p(x). With any other it is lower by the divergence from the posterior.
        """
        rows = check_rows("x", x, self.shape, self.domain)
        q = self.encode(rows) if encoder is None else encoder(rows)
        check_latents(q.mean[:, None], len(rows), self.n_latents)
        square = ((rows - self.mean - q.mean @ self.factors.T) ** 2).sum(axis=1)
        square = square + ((self.factors @ q.root) ** 2).sum(axis=(1, 2))
        constant = self.d * (LOG_2PI + np.log(self.variance))
        return Elbo(-0.5 * (constant + square / self.variance), q.divergence())

    def log_joint(self, x: ArrayLike, z: ArrayLike) -> Array:
        """Log p(x, z) (n, s) of data and each of their latent variables (n, s, k)."""
        return self._joint(x, z)[0]

    def joint_slope(self, x: ArrayLike, z: ArrayLike) -> tuple[Array, Array]:
        """The same, and its gradient in z (n, s, k)."""
        value, far, at = self._joint(x, z)
        return value, far @ self.factors / self.variance - at

    def _joint(self, x: ArrayLike, z: ArrayLike) -> tuple[Array, Array, Array]:
        """Log p(x, z), what of x is noise (n, s, d), and z."""
        rows = check_rows("x", x, self.shape, self.domain)
        at = check_latents(z, len(rows), self.n_latents)
        far = (rows - self.mean)[:, None] - at @ self.factors.T
        constant = self.d * (LOG_2PI + np.log(self.variance))
        value = -0.5 * (constant + (far**2).sum(axis=2) / self.variance) + log_standard(at)
        return value, far, at

    @kept
    def _spectrum(self) -> tuple[Array, Array]:
        """Axes (d, min(d, k)) of the factors and the variances along them."""
        axes, values, _ = np.linalg.svd(self.factors, full_matrices=False)
        return axes, values**2

    def _log_prob(self, x: Array, rng: np.random.Generator) -> Array:
        """Along the axes of the factors, and beside them."""
        axes, values = self._spectrum
        far = x - self.mean
        along = far @ axes
        beside = (far**2).sum(axis=1) - (along**2).sum(axis=1)
        total = values + self.variance
        square = (along**2 / total).sum(axis=1) + np.maximum(beside, 0) / self.variance
        log_det = np.log(total).sum() + (self.d - len(values)) * np.log(self.variance)
        return np.asarray(-0.5 * (square + log_det + self.d * LOG_2PI))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        return self._decode(rng.standard_normal((n, self.n_latents)), rng)

    def _sample_given(self, x: Array, known: NDArray[np.bool_], rng: np.random.Generator) -> Array:
        """Exact: z given what is known, then the rest given z."""
        return self._decode(self._posterior(x, known).draw(1, rng)[:, 0], rng)

    def _represent(self, x: Array) -> Array:
        """Posterior mean of z."""
        return self.encode(x).mean

    def _posterior(self, x: Array, known: NDArray[np.bool_]) -> Gaussians:
        """Of z given the known values of rows."""
        w = self.factors[known]
        precision = np.eye(self.n_latents) + w.T @ w / self.variance
        mean = np.linalg.solve(precision, w.T @ (x - self.mean)[:, known].T / self.variance)
        return Gaussians(
            np.asarray(mean.T, float), np.linalg.cholesky(np.linalg.inv(precision))[None]
        )

    def _decode(self, z: Array, rng: np.random.Generator) -> Array:
        """A datum given each z (n, k)."""
        noise = np.sqrt(self.variance) * rng.standard_normal((len(z), self.d))
        return np.asarray(self.mean + z @ self.factors.T + noise)
