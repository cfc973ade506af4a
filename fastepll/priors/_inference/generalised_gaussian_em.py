"""Expectation-maximisation for mixtures of generalised Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import JSON, Array
from fastepll.models._density import log_sum
from fastepll.priors import _generalised_gaussian as one

if TYPE_CHECKING:
    from fastepll.priors.generalised_gaussian_mixture import GeneralisedGaussianMixture

CHUNK = 8192
REFRESH = 4  # iterations between scores of all pairs
KEPT, DROP = 12.0, 1e-3  # nats of score, responsibility, below which pairs are left out
FLOOR = 1e-8  # variance added to every axis
LOW, STEP, BINS = -14.0, 0.1, 190  # of log |y| over its deviation

Rows = NDArray[np.intp]
Shares = list[tuple[Rows, Array]]
"""Rows of one chunk and their responsibilities, for each component."""


def expectation_maximisation(
    c: NDArray[np.float32],
    prior: GeneralisedGaussianMixture,
    iterations: int,
    metadata: dict[str, JSON],
) -> GeneralisedGaussianMixture:
    """Iterate; the log-likelihoods before each iteration go into the metadata.

    Pairs of patch and component more than 12 nats below the patch's best at the latest refresh are
    left out until the next.
    """
    history, near = list[float](), dict[int, list[Rows]]()
    blocks = [c[first : first + CHUNK] for first in range(0, len(c), CHUNK)]
    for i in range(iterations):
        if i % REFRESH == 0:
            near = {}
        chunks, total = list[Shares](), 0.0
        for number, block in enumerate(blocks):
            joint = _score(block, prior, near.get(number))
            if number not in near:
                best = joint.max(axis=1) - KEPT
                near[number] = [np.flatnonzero(score >= best) for score in joint.T]
            evidence = log_sum(joint)
            total += float(evidence.sum())
            chunks.append(_shares(joint, evidence, near[number]))
        history.append(total / len(c))
        prior = _maximise(blocks, prior, chunks)
    return type(prior)(
        prior.patch_shape, {**metadata, "log_likelihood": history}, **prior.parameters()
    )


def _score(
    block: NDArray[np.float32], prior: GeneralisedGaussianMixture, near: list[Rows] | None
) -> Array:
    """Log of weight times density, (m, k); -inf for pairs left out."""
    joint = np.full((len(block), len(prior.weights)), -np.inf)
    for j in range(len(prior.weights)):
        rows: Rows | slice = slice(None) if near is None else near[j]
        joint[rows, j] = prior._log_joint(block[rows], j)
    return joint


def _shares(joint: Array, evidence: Array, near: list[Rows]) -> Shares:
    """Responsibilities above `DROP`."""
    result = []
    for j, rows in enumerate(near):
        share = np.exp(joint[rows, j] - evidence[rows])
        used = share > DROP
        result.append((rows[used], share[used]))
    return result


def _maximise(
    blocks: list[NDArray[np.float32]], prior: GeneralisedGaussianMixture, chunks: list[Shares]
) -> GeneralisedGaussianMixture:
    """Weights, axes from covariances, then variances and shapes along these."""
    k, q = prior.variances.shape
    counts = np.array([sum(chunk[j][1].sum() for chunk in chunks) for j in range(k)])
    vectors, variances, shapes = (
        array.copy() for array in (prior.vectors, prior.variances, prior.shapes)
    )
    centres = np.asarray(LOW + STEP * (np.arange(BINS) + 0.5), np.float64)
    for j in np.flatnonzero(counts > 2 * q):
        z = np.concatenate([b[chunk[j][0]] for b, chunk in zip(blocks, chunks, strict=True)])
        share = np.concatenate([chunk[j][1] for chunk in chunks])
        half = z * np.sqrt(share / counts[j]).astype(np.float32)[:, None]
        values, vectors[j] = np.linalg.eigh((half.T @ half).astype(np.float64) + FLOOR * np.eye(q))
        deviation = np.sqrt(np.maximum(values, FLOOR))
        y = np.abs(z @ (vectors[j] / deviation).astype(np.float32))
        place = ((np.log(np.maximum(y, one.TINY)) - LOW) / STEP).clip(0, BINS - 1).astype(np.intp)
        place += BINS * np.arange(q)
        histogram = np.bincount(place.ravel(), np.repeat(share, q), q * BINS).astype(np.float64)
        spread, shapes[j] = one.most_likely(centres, histogram.reshape(q, BINS))
        variances[j] = spread * deviation**2
    return type(prior)(
        prior.patch_shape,
        weights=np.maximum(counts, 1e-6) / np.maximum(counts, 1e-6).sum(),
        vectors=vectors,
        variances=variances,
        shapes=shapes,
    )
