"""Expectation-maximisation for mixtures of zero-mean Gaussians with full covariances, in torch.

Notes
-----
One iteration costs far less than n * k quadratic forms. Every few iterations `candidates`
scores all pairs with one matrix product per chunk (the D(D+1)/2 products of coordinates against
the k precision matrices) and keeps, for each vector, the components within `margin` nats of its
best. Until the next refresh only those pairs are evaluated, exactly. This is EM on a truncated
posterior: it still never decreases its bound, and the mass left out right after a refresh is
below k * exp(-margin) per vector. ``margin=inf`` is plain EM.

Products are float32; sums over vectors are float32 inside a chunk and float64 across chunks;
factorisations and parameters are float64.

References
----------
J. Lücke and D. Forster, "k-means as a variational EM approximation of Gaussian mixture
models", Pattern Recognition Letters 125, 2019 (truncated posteriors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Candidates",
    "Factors",
    "Mixture",
    "Statistics",
    "candidates",
    "factorise",
    "maximise",
    "reseed",
    "statistics",
    "without_less",
]


@dataclass
class Mixture:
    """Weights (k,) and covariances (k, D, D), float64, on the training device."""

    weights: Tensor
    covariances: Tensor


class Factors(NamedTuple):
    """What scores need, float32: L⁻¹ (k, D, D) of Σₖ = LLᵀ, and log wₖ - ½ log|2πΣₖ| (k,)."""

    white: Tensor
    const: Tensor


def factorise(mixture: Mixture) -> Factors:
    """Whitening matrices and constants of a mixture, computed in float64."""
    chol = _cholesky(mixture.covariances)
    eye = torch.eye(chol.shape[1], dtype=chol.dtype, device=chol.device)
    white = torch.linalg.solve_triangular(chol, eye.expand_as(chol), upper=False)
    log_det = 2 * chol.diagonal(dim1=1, dim2=2).log().sum(1)
    const = mixture.weights.log() - 0.5 * (log_det + chol.shape[1] * math.log(2 * math.pi))
    return Factors(white.float(), const.float())


def _cholesky(cov: Tensor) -> Tensor:
    """Batched factor; a component spoilt by rounding (almost no vectors) gets a growing jitter."""
    eye = torch.eye(cov.shape[1], dtype=cov.dtype, device=cov.device)
    jitter = 1e-7 * cov.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * eye
    chol: Tensor
    for _ in range(7):
        chol, info = torch.linalg.cholesky_ex(cov)
        if not bool(info.any()):
            return chol
        jitter = 10 * jitter
        cov = torch.where((info > 0)[:, None, None], cov + jitter, cov)
    raise ValueError("covariances must be positive definite and finite: raise the floor")


class Candidates(NamedTuple):
    """Pairs (vector, component) of one chunk by component: rows, and how many of each."""

    rows: Tensor
    counts: list[int]


@dataclass
class Statistics:
    """Sufficient statistics: responsibilities (k,), scatter (k, D, D), log-likelihood, vectors."""

    counts: Tensor
    scatter: Tensor
    log_likelihood: float
    n: int

    @classmethod
    def zeros(cls, k: int, d: int, device: torch.device) -> Statistics:
        """Nothing seen yet, float64."""
        counts = torch.zeros(k, dtype=torch.float64, device=device)
        return cls(counts, torch.zeros(k, d, d, dtype=torch.float64, device=device), 0.0, 0)

    def add(self, other: Statistics, decay: float = 1.0, gain: float = 1.0) -> None:
        """Accumulate in float64, ``self = decay * self + gain * other``."""
        self.counts.mul_(decay).add_(other.counts, alpha=gain)
        self.scatter.mul_(decay).add_(other.scatter, alpha=gain)
        self.log_likelihood += other.log_likelihood
        self.n += other.n


def candidates(z: Tensor, factors: Factors, margin: float, block: int) -> Candidates:
    """Components within `margin` nats of the best for each row of `z` (n, D), float32."""
    k = len(factors.const)
    if math.isinf(margin):
        return Candidates(torch.arange(len(z), device=z.device).repeat(k), [len(z)] * k)
    precision = factors.white.mT @ factors.white
    i, j = torch.triu_indices(z.shape[1], z.shape[1], device=z.device).unbind()
    table = (-precision[:, i, j] * torch.where(i == j, 0.5, 1.0)).contiguous()
    keep = torch.empty(k, len(z), dtype=torch.bool, device=z.device)
    products = torch.empty(table.shape[1], min(block, len(z)), device=z.device)
    for start in range(0, len(z), block):
        columns = z[start : start + block].T.contiguous()
        p, done = products[:, : columns.shape[1]], 0
        for row in range(len(columns)):
            size = len(columns) - row
            torch.mul(columns[row:], columns[row], out=p[done : done + size])
            done += size
        score = torch.addmm(factors.const[:, None], table, p)
        torch.ge(score, score.amax(0) - margin, out=keep[:, start : start + block])
    return Candidates(keep.nonzero()[:, 1], keep.sum(1).tolist())


def statistics(z: Tensor, factors: Factors, pairs: Candidates, drop: float = 0.0) -> Statistics:
    """E-step over the pairs of one chunk: exact scores, responsibilities, moments.

    Responsibilities below `drop` are left out of the moments (not of the counts).
    """
    white, const = factors
    k, d = white.shape[:2]
    score = torch.full((k, len(z)), -math.inf, device=z.device)
    groups = torch.split(pairs.rows, pairs.counts)
    for c, rows in enumerate(groups):
        score[c, rows] = const[c] - 0.5 * (z[rows] @ white[c].T).square().sum(1)
    evidence = score.logsumexp(0)
    resp = score.sub_(evidence).exp_()
    scatter = torch.zeros(k, d, d, device=z.device)
    for c, rows in enumerate(groups):
        r = resp[c, rows]
        used = (r > drop).nonzero()[:, 0]
        half = z[rows[used]] * r[used].sqrt()[:, None]
        torch.mm(half.T, half, out=scatter[c])
    counts = resp.sum(1, dtype=torch.float64)
    return Statistics(counts, scatter, float(evidence.sum(dtype=torch.float64)), len(z))


def maximise(stats: Statistics, floor: float, prior_weight: float = 0.0) -> Mixture:
    """M-step: wₖ = Nₖ/ΣN, Σₖ = scatterₖ/Nₖ + floor·I (empty components come out as floor·I).

    With a prior weight ν that covariance Σₖ becomes (Nₖ Σₖ + ν Tₖ)/(Nₖ + ν), the mode under an
    inverse-Wishart prior that counts for ν vectors about Tₖ of `targets`.
    """
    counts = stats.counts.clamp_min(torch.finfo(torch.float64).tiny)
    cov = stats.scatter / counts[:, None, None]
    cov = 0.5 * (cov + cov.mT)
    cov.diagonal(dim1=1, dim2=2).add_(floor)
    if prior_weight:
        share = (prior_weight / (counts + prior_weight))[:, None, None]
        cov = (1 - share) * cov + share * targets(cov, counts)
    return Mixture(counts / counts.sum(), cov)


def without_less(mixture: Mixture, variance: float) -> Mixture:
    """The M-step where each covariance has that much noise in it: no eigenvalue is below."""
    values, vectors = torch.linalg.eigh(mixture.covariances)
    values = values.clamp_min(variance)
    return Mixture(mixture.weights, (vectors * values[:, None, :]) @ vectors.mT)


def targets(cov: Tensor, counts: Tensor) -> Tensor:
    """Centres of the prior (k, D, D): the pooled correlations at each component's own variances.

    The pooled covariance itself would lend the variances of texture to smooth components.
    """
    pooled = torch.einsum("k,kij->ij", counts / counts.sum(), cov)
    own, all_ = (c.diagonal(dim1=-2, dim2=-1).sqrt() for c in (cov, pooled))
    ratio = own / all_
    return pooled * ratio[:, :, None] * ratio[:, None, :]


def reseed(mixture: Mixture, min_weight: float, generator: torch.Generator) -> int:
    """Replace components lighter than `min_weight` by random variations of the heaviest ones.

    The heavy one gives half its weight; the new one shares its eigenvectors and has each
    eigenvalue multiplied by exp(g), g normal with deviation 1/2. Returns how many were replaced.
    """
    weights, cov = mixture.weights, mixture.covariances
    dead = (weights < min_weight).nonzero()[:, 0]
    heavy = weights.argsort(descending=True)[: len(dead)]
    heavy = heavy[weights[heavy] > 2 * min_weight]
    dead = dead[: len(heavy)]
    if len(dead) == 0:
        return 0
    values, vectors = torch.linalg.eigh(cov[heavy])
    noise = torch.randn(values.shape, generator=generator, dtype=values.dtype)
    spread = values.clamp_min(0) * (0.5 * noise).exp().to(values.device)
    cov[dead] = (vectors * spread[:, None, :]) @ vectors.mT
    weights[heavy] /= 2
    weights[dead] = weights[heavy]
    weights /= weights.sum()
    return len(dead)
