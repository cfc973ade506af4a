"""Expectation-maximisation for mixtures of elliptical densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array
from fastepll.models._density import log_sum
from fastepll.priors._elliptical import R, Radial

CHUNK = 8192
LOW, STEP, BINS = -20.0, 0.05, 1600  # of log a, finer than the laws of a resolve


@dataclass(frozen=True)
class Components(Generic[R]):
    """Weights (J,), covariances (J, q, q) and the laws of the scales."""

    weights: Array
    covariances: Array
    radial: R


class Factors(NamedTuple):
    """What scores need: L⁻¹ (J, q, q) float32 of C = LLᵀ, log w - ½ log|C| (J,), the laws."""

    white: NDArray[np.float32]
    constants: Array
    radial: Radial


class Sums(NamedTuple):
    """What an E-step adds up: counts (J,), scatter (J, q, q), histograms of log a (J, bins)."""

    counts: Array
    scatter: Array
    histogram: Array


def fit(
    c: NDArray[np.float32],
    start: Components[R],
    *,
    iterations: int,
    margin: float = 12.0,
    refresh: int = 5,
    drop: float = 1e-3,
    floor: float = 1e-8,
) -> tuple[Components[R], list[float]]:
    """Run EM; returns the components and the mean log-likelihood before each iteration.

    Every `refresh` iterations all pairs of patch and component are scored; until the next time
    only those within `margin` nats of a patch's best. Pairs with a responsibility below `drop`
    are left out of the scatter. The laws of the scales are refitted to histograms of the
    quadratic forms. ``floor`` is added to every direction. Quadratic forms are float32.
    """
    now, history = start, list[float]()
    pairs: list[list[NDArray[np.int32]]] = []
    for i in range(iterations):
        if i % refresh == 0:
            pairs = []
        now, value = _iterate(c, now, pairs, margin=margin, drop=drop, floor=floor)
        history.append(value)
    return now, history


def _iterate(
    c: NDArray[np.float32],
    now: Components[R],
    pairs: list[list[NDArray[np.int32]]],
    *,
    margin: float,
    drop: float,
    floor: float,
) -> tuple[Components[R], float]:
    """One iteration over the pairs, or over all of them where there are none yet."""
    k, q = now.covariances.shape[:2]
    white = np.linalg.inv(np.linalg.cholesky(now.covariances))
    log_det = np.log(white.diagonal(axis1=1, axis2=2)).sum(axis=1)
    factors = Factors(white.astype(np.float32), np.log(now.weights) + log_det, now.radial)
    sums = Sums(np.zeros(k), np.zeros((k, q, q)), np.zeros((k, BINS)))
    total = 0.0
    for i, first in enumerate(range(0, len(c), CHUNK)):
        block = c[first : first + CHUNK]
        if i == len(pairs):
            pairs.append(_candidates(block, factors, margin))
        total += _expect(block, factors, pairs[i], drop, sums)
    counts = np.maximum(sums.counts, 1e-6)
    covariances = sums.scatter / counts[:, None, None]
    covariances[:, np.arange(q), np.arange(q)] += floor
    thin = sums.counts < 2 * q
    covariances[thin] = now.covariances[thin]
    seen = np.flatnonzero(sums.histogram.any(axis=0))
    centres = np.exp(LOW + STEP * (seen + 0.5))
    radial = now.radial.refit(centres, sums.histogram[:, seen] + 1e-9)
    return Components(counts / counts.sum(), covariances, radial), total / len(c)


def _form(block: NDArray[np.float32], white: NDArray[np.float32]) -> Array:
    """Quadratic forms cᵀC⁻¹c, (m,)."""
    y = block @ white.T
    return np.asarray(np.einsum("ij,ij->i", y, y), np.float64)


def _candidates(
    block: NDArray[np.float32],
    factors: Factors,
    margin: float,
) -> list[NDArray[np.int32]]:
    """Rows for which each component is within `margin` nats of the best."""
    score = np.empty((len(factors.constants), len(block)), np.float32)
    for j, constant in enumerate(factors.constants):
        score[j] = factors.radial.at(j, _form(block, factors.white[j]))[0] + constant
    best = score.max(axis=0) - margin
    return [np.flatnonzero(row >= best).astype(np.int32) for row in score]


def _expect(
    block: NDArray[np.float32],
    factors: Factors,
    pairs: list[NDArray[np.int32]],
    drop: float,
    sums: Sums,
) -> float:
    """Responsibilities of the pairs of one block into the sums; returns its log-likelihood."""
    joint = np.full((len(block), len(pairs)), -np.inf)
    kept = []
    for j, rows in enumerate(pairs):
        a = _form(block[rows], factors.white[j])
        density, inverse = factors.radial.at(j, a)
        joint[rows, j] = density + factors.constants[j]
        kept.append((a, inverse))
    evidence = log_sum(joint)
    for j, (rows, (a, inverse)) in enumerate(zip(pairs, kept, strict=True)):
        share = np.exp(joint[rows, j] - evidence[rows])
        sums.counts[j] += share.sum()
        place = (np.log(np.maximum(a, 1e-9)) - LOW) / STEP
        place = np.clip(place, 0, BINS - 1).astype(np.int32)
        sums.histogram[j] += np.bincount(place, share, BINS)
        used = np.flatnonzero(share > drop)
        half = block[rows[used]] * np.sqrt(share[used] * inverse[used]).astype(np.float32)[:, None]
        sums.scatter[j] += half.T @ half
    return float(evidence.sum())
