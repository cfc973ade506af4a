"""Gaussians of covariance C, log C = Σₖ gₖ bₖ bₖᵀ: densities, gradients, Wiener estimates.

Rows have a C each. With M = log C, |bₖ| = 1 and r = exp(-M/2) u, log N(u; 0, C) is
-½ Σₖ gₖ - ½ |r|² - ½ q log 2π. The exponential is a Taylor series in -M/2 less its mean eigenvalue,
in as many stages as its size asks for; the series stops where its terms no longer count. Gradients
are those of the series, by going through it backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastepll._validation.model_arrays import Array

if TYPE_CHECKING:
    from fastepll.priors._inference.hmc import Likelihood

RADIUS = 12.0  # largest |M/2| of one stage: terms up to 2e4 times the result cost 4 digits
WILD = 40.0  # largest |g|: variances of exp(±40)
MOST = 60  # terms of a stage
SMALL = {"f": 1e-6, "d": 1e-9}  # term, against the sum, by type

Stage = list[tuple[Array, Array]]  # terms t and Bᵀt


class Exponential:
    """exp(-M/2) u for rows u (n, q) and g (n, k), b (q, k); remembers what gradients need."""

    def __init__(self, u: Array, g: Array, b: Array) -> None:
        self.g, self.b, q = g, b, len(b)
        self.mean = g.sum(axis=1, keepdims=True) / q  # eigenvalue of M, as the columns have norm 1
        frame = np.linalg.norm(b, 2) ** 2
        largest = np.abs(g).max(initial=0) * frame / 2 + np.abs(self.mean).max(initial=0) / 2
        count = max(1, int(np.ceil(largest / RADIUS)))
        self.scale = -0.5 / count
        self.stages: list[Stage] = []
        total = u
        for _ in range(count):
            term, stage = total, []
            quiet = 0
            for i in range(1, MOST + 1):
                along = term @ b
                stage.append((term, along))
                term = self._times(term, along) * (self.scale / i)
                total = total + term
                quiet = quiet + 1 if self._negligible(term, total) else 0
                if quiet == 2:
                    break
            self.stages.append(stage)
        self.value = total * np.exp(-self.mean / 2)

    def gradients(self, back: Array, *, basis: bool = False) -> tuple[Array, Array]:
        """Derivatives of sum(back * value) in g (n, k) and, if asked for, in b (q, k)."""
        b, q = self.b, len(self.b)
        in_g = np.repeat((back * self.value).sum(axis=1, keepdims=True) * (-0.5 / q), b.shape[1], 1)
        in_b = np.zeros_like(b)
        adjoint = back * np.exp(-self.mean / 2)
        for stage in reversed(self.stages):
            incoming = adjoint
            for i in range(len(stage), 0, -1):
                term, along = stage[i - 1]
                weight = self.scale / i
                back_along = adjoint @ b
                in_g += weight * along * back_along
                in_g -= weight / q * (adjoint * term).sum(axis=1, keepdims=True)
                if basis:
                    in_b += weight * (adjoint.T @ (self.g * along) + term.T @ (self.g * back_along))
                adjoint = incoming + weight * self._times(adjoint, back_along)
        return in_g, in_b

    def _times(self, rows: Array, along: Array) -> Array:
        """(M - mean I) times rows, given Bᵀ times rows."""
        return np.asarray((self.g * along) @ self.b.T - self.mean * rows)

    def _negligible(self, term: Array, total: Array) -> bool:
        small = SMALL[total.dtype.char] * np.linalg.norm(total, axis=1)
        return bool((np.linalg.norm(term, axis=1) <= small).all())


def log_density(u: Array, g: Array, b: Array) -> tuple[Array, Array]:
    """Log N(u; 0, C), (n,), and its gradient in g, (n, k); -inf where a g is beyond all sense."""
    wild = ~(np.abs(g).max(axis=1) < WILD)  # NaN is wild
    g = np.where(wild[:, None], 0, g)
    root = Exponential(u, g, b)
    r = root.value
    value = -0.5 * ((r**2).sum(axis=1) + g.sum(axis=1) + len(b) * np.log(2 * np.pi))
    value[wild] = -np.inf
    return value, root.gradients(-r)[0] - 0.5


class Noisy(NamedTuple):
    """What is known of rows u with noise, given g."""

    value: Array
    """log N(u; 0, C + N), (n,)."""
    in_g: Array
    """Its gradient, (n, k)."""
    wiener: Array
    """C (C + N)⁻¹ u, (n, q)."""
    signal: Array
    """Mean square of the filter, trace((C (C + N)⁻¹)²) / q, (n,) or (1,)."""


def noisy_log_density(u: Array, noise: Array, g: Array, b: Array) -> Noisy:
    """Log N(u; 0, C + N) by eigenvectors of log C, for u with noise of covariance N (q, q).

    With g (1, k) all rows share one C. The time is that of a symmetric eigenproblem for each C.
    """
    q = len(b)
    wild = ~(np.abs(g).max(axis=1) < WILD)
    g = np.where(wild[:, None], 0, g)
    logs, axes = np.linalg.eigh((b * g[:, None, :]) @ b.T)
    values, turned = np.exp(logs), np.swapaxes(axes, 1, 2)
    total = (axes * values[:, None, :]) @ turned + noise
    inverse = np.linalg.inv(total)
    solved = (inverse @ u[:, :, None])[:, :, 0]
    log_det = np.linalg.slogdet(total)[1]
    value = -0.5 * ((solved * u).sum(axis=1) + log_det + q * np.log(2 * np.pi))
    value[np.broadcast_to(wild, len(u))] = -np.inf
    gap = logs[:, :, None] - logs[:, None, :]
    level = 0.5 * (logs[:, :, None] + logs[:, None, :])
    half = np.maximum(np.abs(gap) / 2, 1e-8)
    divided = np.exp(level) * np.sinh(half) / half  # (exp a - exp b) / (a - b)
    along = b.T @ axes  # (n or 1, k, q)

    turned_solved = (turned @ solved[:, :, None])[:, :, 0]
    slope = turned_solved[:, :, None] * turned_solved[:, None, :] - turned @ inverse @ axes
    in_g = 0.5 * ((along @ (divided * slope)) * along).sum(axis=2)
    filtered = np.eye(q) - noise @ inverse
    signal = (filtered * np.swapaxes(filtered, 1, 2)).sum(axis=(1, 2)) / q
    return Noisy(value, in_g, u - solved @ noise, signal)


def fisher_information(vectors: Array, weights: Array) -> Array:
    """½ trace(Mᵢ Mⱼ) of the matrices of the latents, (l, l): the curvature of the likelihood."""
    return np.asarray(0.5 * weights @ (vectors.T @ vectors) ** 2 @ weights.T)


def likelihood_of(u: Array, vectors: Array, weights: Array, offset: Array) -> Likelihood:
    """Log N(u; 0, C(y)) as a function of y, with its gradient."""

    def likelihood(y: Array) -> tuple[Array, Array]:
        value, in_g = log_density(u, offset + y @ weights, vectors)
        return value, in_g @ weights.T

    return likelihood
