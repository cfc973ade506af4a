"""Covariances of a mixture compared: contrast and shape, boundaries, orientation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from measures import SHAPE

from fastepll.images.cosines import dct_basis
from fastepll.models import GaussianMixture

ANGLES = np.linspace(0, 180, 24, endpoint=False)
OFFSETS = np.linspace(-3.5, 3.5, 15)
SAME_SHAPE = 0.8
STEP, LEADING = 0.95, 0.5


class Anatomy(NamedTuple):
    """Of each component, heaviest first."""

    weight: np.ndarray
    contrast: np.ndarray
    """Geometric mean of its standard deviations, gray levels of 255."""
    distance: np.ndarray
    """From the shape of the reference; see `compare`."""
    leading: np.ndarray
    """Share of its variance along the first eigenvector."""
    step: np.ndarray
    """Correlation of that with the nearest step edge."""
    angle: np.ndarray
    offset: np.ndarray
    coherence: np.ndarray
    """How much one direction has of the gradients, 0 to 1."""
    vectors: np.ndarray
    values: np.ndarray

    def kinds(self) -> np.ndarray:
        """What each is called here."""
        edge = (self.step >= STEP) & (self.leading >= LEADING)
        return np.where(
            edge, "boundary", np.where(self.distance < SAME_SHAPE, "contrast", "texture")
        )

    def contrast_share(self, members: Any = slice(None)) -> float:
        """Share of the variation of log-covariances among members that contrast alone explains.

        Weighted variance of the mean log variance, over that plus the mean squared distance.
        """
        w = self.weight[members] / self.weight[members].sum()
        level = 2 * np.log(self.contrast[members])
        spread = w @ (level - w @ level) ** 2
        return float(spread / (spread + w @ self.distance[members] ** 2))


def compare(reference: np.ndarray, covariance: np.ndarray) -> float:
    """Distance of two shapes.

    Root mean square over all directions of the log of the ratio of the variances (the generalised
    eigenvalues), after the scale that makes its mean 0: 0 for multiples of one matrix.
    """
    root = np.linalg.cholesky(reference)
    ratio = np.linalg.solve(root, np.linalg.solve(root, covariance).T)
    return float(np.log(np.linalg.eigvalsh(0.5 * (ratio + ratio.T))).std())


def step_edges() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean-free step edges of unit length (n, 64), their angles and offsets in pixels."""
    fine = (np.arange(4 * SHAPE[0]) - 2 * SHAPE[0] + 0.5) / 4
    y, x = np.meshgrid(fine, fine, indexing="ij")
    found = []
    for angle in ANGLES:
        radians = np.deg2rad(angle)
        for offset in OFFSETS:
            side = x * np.cos(radians) + y * np.sin(radians) > offset
            edge = side.reshape(SHAPE[0], 4, SHAPE[1], 4).mean(axis=(1, 3)).ravel()
            edge -= edge.mean()
            if np.linalg.norm(edge) > 0.5:
                found.append((edge / np.linalg.norm(edge), angle, offset))
    edges, angles, offsets = zip(*found, strict=True)
    return np.array(edges), np.array(angles), np.array(offsets)


def coherence(covariance: np.ndarray) -> float:
    """(a - b) / (a + b) of the eigenvalues a > b of the mean tensor of gradients."""
    pixels = np.eye(len(covariance)).reshape(*SHAPE, -1)
    means = [
        0.5 * (pixels.take(range(1, n), i) + pixels.take(range(n - 1), i))
        for i, n in enumerate(SHAPE)
    ]
    down, right = (np.diff(means[1 - i], axis=i).reshape(-1, len(covariance)) for i in (0, 1))
    yy, xx, yx = (
        np.sum((a @ covariance) * b) for a, b in ((down, down), (right, right), (down, right))
    )
    return float(np.hypot(xx - yy, 2 * yx) / (xx + yy))


def anatomy(model: GaussianMixture, reference: np.ndarray) -> Anatomy:
    """Components of a mixture beside a reference covariance (63, 63) in the cosine basis."""
    order, basis = np.argsort(-model.weights), dct_basis(SHAPE)
    values, vectors = model.eigenvalues[order, :-1], model.eigenvectors[order, :, :-1]
    edges, angles, offsets = step_edges()
    fit = np.abs(vectors[:, :, 0] @ edges.T)
    best = fit.argmax(axis=1)
    covariances = model.covariances[order]
    return Anatomy(
        weight=model.weights[order],
        contrast=255 * np.exp(0.5 * np.log(values).mean(axis=1)),
        distance=np.array([compare(reference, basis.T @ c @ basis) for c in covariances]),
        leading=values[:, 0] / values.sum(axis=1),
        step=fit.max(axis=1),
        angle=angles[best],
        offset=offsets[best],
        coherence=np.array([coherence(c) for c in covariances]),
        vectors=vectors,
        values=values,
    )
