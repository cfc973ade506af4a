"""A Gaussian of latent variables for each row of data: what an encoder gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastepll._validation.model_arrays import Array


class Gaussians(NamedTuple):
    """Densities N(mean, root rootᵀ) of k variables, one for each of n rows.

    Attributes
    ----------
    mean : numpy.ndarray, shape (n, k)
    root : numpy.ndarray, shape (n, k, k) or (1, k, k)
        Lower triangular, with a positive diagonal; one for all rows if there is one.

    Examples
    --------
    >>> standard = Gaussians.standard(3, 2)
    >>> standard.log_density(np.zeros((3, 1, 2))).round(4)[:, 0]
    array([-1.8379, -1.8379, -1.8379])
    >>> standard.divergence()
    array([0., 0., 0.])
    """

    mean: Array
    root: Array

    @classmethod
    def standard(cls, n: int, k: int) -> Gaussians:
        """The prior of latent variables, N(0, I), for each of n rows."""
        return cls(np.zeros((n, k)), np.eye(k)[None])

    @property
    def log_det(self) -> Array:
        """Log determinant of the root, (n,)."""
        log = np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum(axis=1)
        return np.broadcast_to(log, len(self.mean))

    def at(self, noise: Array) -> Array:
        """Mean + root noise, (n, s, k), of standard noise of that shape."""
        return np.asarray(self.mean[:, None] + noise @ self.root.swapaxes(1, 2))

    def draw(self, n_samples: int, rng: np.random.Generator) -> Array:
        """Draw latent variables (n, n_samples, k)."""
        n, k = self.mean.shape
        return self.at(rng.standard_normal((n, n_samples, k)))

    def log_density(self, z: Array) -> Array:
        """Log density (n, s) of z (n, s, k)."""
        far = (z - self.mean[:, None]).swapaxes(1, 2)
        noise = np.asarray(np.linalg.solve(self.root, far), float)
        return np.asarray(log_standard(noise.swapaxes(1, 2)) - self.log_det[:, None])

    def divergence(self) -> Array:
        """Kullback-Leibler divergence from the prior N(0, I), (n,), in nats."""
        square = (self.mean**2).sum(axis=1) + (self.root**2).sum(axis=(1, 2))
        return np.asarray(0.5 * (square - self.mean.shape[1]) - self.log_det)


def log_standard(z: Array) -> Array:
    """Log density (...) of N(0, I) at z (..., k)."""
    return np.asarray(-0.5 * ((z**2).sum(axis=-1) + z.shape[-1] * np.log(2 * np.pi)))
