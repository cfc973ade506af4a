"""Mixtures of elliptical densities: Gaussians whose scale is itself random."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastepll._portable import kept
from fastepll._validation import model_arrays
from fastepll._validation.model_arrays import JSON, Array
from fastepll.models import GaussianMixture
from fastepll.models._density import log_sum, posterior
from fastepll.priors.base import Prior, check_parameter
from fastepll.typing import Estimator

NEGLIGIBLE = 1e-12  # share of a component in a posterior mean

R = TypeVar("R", bound="Radial")


class Radial(ABC):
    """Laws of the scales z of J components: c = sqrt(z) u, u ~ N(0, C_j) of q coordinates.

    With a = cᵀC_j⁻¹c the density of c is |C_j|^-1/2 f_j(a).
    """

    @abstractmethod
    def at(self, j: int, a: Array) -> tuple[Array, Array]:
        """``log f_j(a)`` and ``E[1/z | a]`` of component j, each shaped as a, (n,)."""

    @abstractmethod
    def draw(self, j: int, n: int, rng: np.random.Generator) -> Array:
        """Draw n scales of component j."""

    @abstractmethod
    def nodes(self) -> FiniteScales:
        """These laws, or the nearest of finitely many scales."""

    @abstractmethod
    def refit(self: R, a: Array, counts: Array) -> R:
        """Laws of higher likelihood for ``counts`` (J, bins) of values ``a`` (bins,)."""


@dataclass(frozen=True)
class FiniteScales(Radial):
    """m scales (J, m), each with its probability (J, m) given the component."""

    probabilities: Array
    scales: Array
    q: int

    def joint(self, a: Array) -> Array:
        """Log of probability times Gaussian at a, (..., m), but for the determinant."""
        constant = np.log(np.maximum(self.probabilities, 1e-300))
        constant = constant - 0.5 * self.q * np.log(2 * np.pi * self.scales)
        return np.asarray(constant - 0.5 * a[..., None] / self.scales)

    def at(self, j: int, a: Array) -> tuple[Array, Array]:
        """See `Radial.at`."""
        joint = FiniteScales(self.probabilities[j], self.scales[j], self.q).joint(a)
        top = joint.max(axis=1)
        share = np.exp(joint - top[:, None])
        total = share.sum(axis=1)
        return top + np.log(total), (share @ (1 / self.scales[j])) / total

    def draw(self, j: int, n: int, rng: np.random.Generator) -> Array:
        """See `Radial.draw`."""
        return np.asarray(rng.choice(self.scales[j], n, p=self.probabilities[j]))

    def nodes(self) -> FiniteScales:
        """Itself."""
        return self

    def refit(self, a: Array, counts: Array, steps: int = 1, *, move: bool = False) -> FiniteScales:
        """Steps of EM for the probabilities, and for the scales if they may `move`."""
        result, share = self, counts / counts.sum(axis=1, keepdims=True)
        for _ in range(steps):
            joint = FiniteScales(result.probabilities[:, None], result.scales[:, None], self.q)
            part = joint.joint(a)
            part = np.exp(part - part.max(axis=2, keepdims=True))
            part *= (share / part.sum(axis=2))[:, :, None]
            mass = np.maximum(part.sum(axis=1), 1e-300)
            scales = np.einsum("jbm,b->jm", part, a) / (self.q * mass) if move else self.scales
            result = FiniteScales(mass / mass.sum(axis=1, keepdims=True), scales, self.q)
        return result


class EllipticalMixture(Prior):
    """p(c) = Σ w_j |C_j|^-1/2 f_j(cᵀC_j⁻¹c): what its kinds have in common.

    A subclass gives `radial`; `weights` (J,) and `covariances` (J, q, q) are checked here.
    """

    chunk = 2048
    radial: Radial

    def __init__(
        self,
        patch_shape: Sequence[int],
        metadata: Mapping[str, JSON] | None,
        weights: ArrayLike,
        covariances: ArrayLike,
    ) -> None:
        super().__init__(patch_shape, metadata)
        self.weights = model_arrays.check_weights(weights)
        self.weights.flags.writeable = False
        shape = (len(self.weights), self.q, self.q)
        self.covariances = check_parameter("covariances", covariances, shape)
        if (
            np.abs(self.covariances - self.covariances.swapaxes(1, 2)).max()
            > 1e-9 * self.covariances.max()
        ):
            raise ValueError("covariances must be symmetric")
        values, self._vectors = np.linalg.eigh(self.covariances)
        if values.min() <= 0:
            raise ValueError(
                f"covariances must be positive definite, got an eigenvalue of {values.min():.3g}"
            )
        self._values = values
        self._constants = np.log(self.weights) - 0.5 * np.log(values).sum(axis=1)

    @kept
    def mixture(self) -> GaussianMixture:
        """A Gaussian for every component and scale."""
        nodes = self.radial.nodes()
        weights = (self.weights[:, None] * nodes.probabilities).ravel()
        heavy = weights > 1e-9
        d, m = self.d, nodes.scales.shape[1]
        vectors = np.full((len(weights), d, d), d**-0.5)
        vectors[:, :, :-1] = np.repeat(self.basis @ self._vectors[:, :, ::-1], m, axis=0)
        values = nodes.scales[:, :, None] * self._values[:, None, ::-1]
        spectra = np.pad(values.reshape(-1, d - 1), ((0, 0), (0, 1)))
        return GaussianMixture(
            weights[heavy] / weights[heavy].sum(),
            vectors[heavy],
            spectra[heavy],
            self.patch_shape,
            self.metadata,
        )

    def _whitened(self, c: Array, j: int) -> Array:
        """Coordinates of unit variance, (m, q), if component j is theirs and z is 1."""
        return np.asarray(c @ (self._vectors[j] / np.sqrt(self._values[j])))

    def _parts(self, c: Array) -> tuple[Array, Array]:
        """Log of weight times density, and E[1/z], for each component, (m, J)."""
        joint, inverse = np.empty((2, len(c), len(self.weights)))
        for j, constant in enumerate(self._constants):
            white = self._whitened(c, j)
            density, inverse[:, j] = self.radial.at(j, np.einsum("ij,ij->i", white, white))
            joint[:, j] = density + constant
        return joint, inverse

    def _log_prob(self, c: Array, rng: np.random.Generator) -> Array:
        return log_sum(self._parts(c)[0])

    def _score(self, c: Array) -> Array:
        joint, inverse = self._parts(c)
        pull = posterior(joint) * inverse
        result = np.zeros_like(c)
        for j in range(len(self.weights)):
            back = self._vectors[j] / np.sqrt(self._values[j])
            result -= pull[:, j, None] * (self._whitened(c, j) @ back.T)
        return result

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        choice = rng.choice(len(self.weights), n, p=self.weights)
        c = rng.standard_normal((n, self.q))
        for j in np.unique(choice):
            rows = np.flatnonzero(choice == j)
            scales = self.radial.draw(int(j), len(rows), rng)
            half = self._vectors[j] * np.sqrt(self._values[j])
            c[rows] = np.sqrt(scales)[:, None] * (c[rows] @ half.T)
        return c

    def noisy_joint(self, c: Array, sigma: float) -> Array:
        """Log of weight times density of noisy coordinates, for components and scales, (n, J, m).

        But for (2π)^-q/2.
        """
        nodes = self.radial.nodes()
        noisy = nodes.scales[:, :, None] * self._values[:, None, :] + sigma * sigma
        constants = np.log(np.maximum(self.weights[:, None] * nodes.probabilities, 1e-300))
        constants -= 0.5 * np.log(noisy).sum(axis=2)
        joint = np.empty((len(c), *constants.shape))
        for j, vectors in enumerate(self._vectors):
            joint[:, j] = constants[j] - 0.5 * (c @ vectors) ** 2 @ (1 / noisy[j]).T
        return joint

    def _denoise(
        self, c: Array, sigma: float, estimator: Estimator, rng: np.random.Generator
    ) -> Array:
        """Wiener filters of all components and scales, weighted, or the most probable one."""
        joint, result = self.noisy_joint(c, sigma), np.zeros_like(c)
        shape = joint.shape
        clean = self.radial.nodes().scales[:, :, None] * self._values[:, None, :]
        noisy = clean + sigma * sigma
        if estimator == "mean":
            share = posterior(joint.reshape(len(c), -1)).reshape(shape)
        else:
            share = np.zeros(shape)
            share.reshape(len(c), -1)[np.arange(len(c)), joint.reshape(len(c), -1).argmax(1)] = 1
        for j, vectors in enumerate(self._vectors):
            rows = np.flatnonzero(share[:, j].sum(axis=1) > NEGLIGIBLE)
            gain = share[rows, j] @ (clean[j] / noisy[j])
            result[rows] += (gain * (c[rows] @ vectors)) @ vectors.T
        return result
