"""What models with an encoder and a decoder do, whatever their data are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastepll._validation.model_arrays import Array, check_draw, real_array
from fastepll.models.gaussians import Gaussians, log_standard
from fastepll.priors.ais import check_count

if TYPE_CHECKING:
    from fastepll.priors._vae.networks import Autoencoder


class Elbo(NamedTuple):
    """The evidence lower bound of each datum, in its two terms; nats.

    Attributes
    ----------
    reconstruction : numpy.ndarray, shape (n,)
        Mean of log p(x | z) over q(z | x).
    divergence : numpy.ndarray, shape (n,)
        KL(q(z | x) ‖ p(z)).
    """

    reconstruction: Array
    divergence: Array

    @property
    def values(self) -> Array:
        """The bound, (n,)."""
        return self.reconstruction - self.divergence


class Variational(ABC):
    """Base of variational autoencoders beside the base of their kind of model.

    Latent variables z (n, s, k) are s for each of n data, N(0, I) a priori.
    """

    decoded: ClassVar[int] = 2000
    """Latent variables decoded together."""

    @abstractmethod
    def _autoencoder(self) -> Autoencoder:
        """Its networks, in float64."""

    @abstractmethod
    def _checked(self, x: ArrayLike) -> Array:
        """Data as the rows (n, d) that the networks take."""

    def _shown(self, rows: Array) -> Array:
        """Rows of the networks as data of the model."""
        return rows

    @property
    def n_latents(self) -> int:
        """Latent variables, k."""
        return self._autoencoder().sizes.n_latents

    def encode(self, x: ArrayLike) -> Gaussians:
        """The encoder's Gaussian of the latent variables of each datum."""
        mean, scale = self._encode(self._checked(x))
        return Gaussians(mean, scale[:, :, None] * np.eye(mean.shape[1]))

    def represent(self, x: ArrayLike) -> Array:
        """Mean of the encoder's Gaussian of each datum, (n, k)."""
        return self._encode(self._checked(x))[0]

    def active_units(self, x: ArrayLike, *, least: float = 0.01) -> NDArray[np.bool_]:
        """Which latent variables are used, (k,): their means vary by more than ``least`` over data.

        References
        ----------
        Y. Burda, R. Grosse, R. Salakhutdinov, Importance weighted autoencoders, ICLR 2016.
        """
        return np.asarray(self.represent(x).var(axis=0) > least)

    def elbo(self, x: ArrayLike, rng: np.random.Generator | int = 0, *, n_samples: int = 1) -> Elbo:
        """Evidence lower bound of each datum; its first term is the mean over draws of z."""
        rows, count = self._checked(x), check_count("n_samples", n_samples, 1)
        generator = check_draw(0, rng)[1]
        reconstruction, divergence = np.empty((2, len(rows)))
        several = max(self.decoded // count, 1)
        for i in range(0, len(rows), several):
            part = slice(i, i + several)
            mean, scale = self._encode(rows[part])
            noise = generator.standard_normal((len(mean), count, mean.shape[1]))
            z = mean[:, None] + scale[:, None] * noise
            reconstruction[part] = self._log_likelihood(rows[part], z).mean(axis=1)
            square = (mean**2 + scale**2 - 1).sum(axis=1)
            divergence[part] = 0.5 * square - np.log(scale).sum(axis=1)
        return Elbo(reconstruction, divergence)

    def decode(self, z: ArrayLike) -> Array:
        """Mean of a datum given each of latent variables z (n, k), (n, d)."""
        import torch

        network = self._autoencoder()
        at = check_latents(np.asarray(z)[None], 1, self.n_latents)[0]
        with torch.no_grad():
            return self._shown(
                network.likelihood.mean(network.decoder(torch.from_numpy(at))).numpy()
            )

    def log_joint(self, x: ArrayLike, z: ArrayLike) -> Array:
        """Log p(x, z) (n, s) of data and each of their latent variables (n, s, k)."""
        rows = self._checked(x)
        at = check_latents(z, len(rows), self.n_latents)
        return self._log_likelihood(rows, at) + log_standard(at)

    def joint_slope(self, x: ArrayLike, z: ArrayLike) -> tuple[Array, Array]:
        """The same, and its gradient in z (n, s, k)."""
        rows = self._checked(x)
        return self._joint_slope(rows, check_latents(z, len(rows), self.n_latents))

    def _encode(self, rows: Array) -> tuple[Array, Array]:
        """Mean and scale, each (n, k)."""
        import torch

        network = self._autoencoder()
        mean, log_scale = np.empty((2, len(rows), network.sizes.n_latents))
        with torch.no_grad():
            for i in range(0, len(rows), self.decoded):
                part = slice(i, i + self.decoded)
                found = network.encode(torch.from_numpy(rows[part]))
                mean[part], log_scale[part] = (value.numpy() for value in found)
        return mean, np.exp(log_scale)

    def _log_likelihood(self, rows: Array, z: Array) -> Array:
        """Log p(x | z) (n, s)."""
        import torch

        value = np.empty(z.shape[:2])
        with torch.no_grad():
            for part in self._parts(z.shape[0], z.shape[1]):
                x, at = torch.from_numpy(rows[part[0]]), torch.from_numpy(z[part])
                value[part] = self._autoencoder().log_likelihood(x, at).numpy()
        return value

    def _joint_slope(self, rows: Array, z: Array) -> tuple[Array, Array]:
        """Log p(x, z) (n, s) and its gradient in z."""
        import torch

        value, slope = np.empty(z.shape[:2]), np.empty(z.shape)
        for part in self._parts(z.shape[0], z.shape[1]):
            at = torch.from_numpy(z[part]).requires_grad_()
            log = self._autoencoder().log_likelihood(torch.from_numpy(rows[part[0]]), at)
            (gradient,) = torch.autograd.grad(log.sum(), at)
            value[part], slope[part] = log.detach().numpy(), gradient.numpy()
        return value + log_standard(z), slope - z

    def _decode(self, z: Array, rng: np.random.Generator) -> Array:
        """A datum (n, d) given each z (n, k)."""
        import torch

        network = self._autoencoder()
        with torch.no_grad():
            out = network.decoder(torch.from_numpy(z))
            return np.asarray(network.likelihood.draw(out, rng).numpy())

    def _log_weights_of(self, rows: Array, n_samples: int, rng: np.random.Generator) -> Array:
        """Log p(x, z) / q(z | x) (n, s) of draws of the encoder."""
        mean, scale = self._encode(rows)
        noise = rng.standard_normal((len(rows), n_samples, mean.shape[1]))
        z = mean[:, None] + scale[:, None] * noise
        ratio = log_standard(z) - log_standard(noise) + np.log(scale).sum(axis=1)[:, None]
        return np.asarray(self._log_likelihood(rows, z) + ratio)

    def _parts(self, n: int, s: int) -> Iterator[tuple[slice, slice]]:
        """Rows and samples that are worked on together."""
        several, some = max(self.decoded // max(s, 1), 1), min(s, self.decoded)
        for i in range(0, n, several):
            for j in range(0, s, max(some, 1)):
                yield slice(i, i + several), slice(j, j + some)


def check_latents(z: ArrayLike, n: int, k: int) -> Array:
    """Return latent variables (n, s, k)."""
    at = real_array("z", z)
    if at.ndim != 3 or at.shape[0] != n or at.shape[2] != k:
        raise ValueError(f"z must have shape ({n}, s, {k}), got {at.shape}")
    return at
