"""Densities and posterior means of generalised Gaussians under noise, from tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastepll._validation.model_arrays import Array
from fastepll.priors._generalised_gaussian import SHAPES, excess_kurtosis, scale_table

GAUSSIAN = 0.2  # excess kurtosis under noise below which an axis is taken as Gaussian
CELLS, REACH = 512, 8.0  # of a table, uniform in sqrt(|y| / deviation) up to `REACH`

Single = NDArray[np.float32]


class Tables(NamedTuple):
    """One component under noise: tables (axes, cells) of heavy-tailed axes, a Gaussian of others.

    Values between two entries are interpolated; the second array of a pair holds the differences.
    """

    vectors: Single
    """The axes (q, q), heavy-tailed ones first."""
    heavy: int
    inverse: Single
    """1 / deviation of the heavy axes."""
    density: tuple[Single, Single]
    """Log density of the heavy axes."""
    mean: tuple[Single, Single]
    """E[clean] / y of the heavy axes."""
    gains: Single
    """The same of the others, where it does not depend on y."""
    half: Single
    """1 / 2 variance of the others."""
    constant: float
    """Log density of the others at 0."""

    @classmethod
    def of(cls, vectors: Array, variances: Array, shapes: Array, sigma: float) -> Tables:
        """By the Gaussians of `scale_table` for the nearest of `SHAPES`."""
        noise = sigma * sigma
        light = excess_kurtosis(shapes) * (variances / (variances + noise)) ** 2 < GAUSSIAN
        order, heavy = np.argsort(light, kind="stable"), int((~light).sum())
        variances, shapes = variances[order], shapes[order]
        table, index = scale_table(), np.rint((shapes[:heavy] - SHAPES[0]) / 0.05).astype(int)
        clean = variances[:heavy, None] * table.scales[index]
        total = clean + noise
        weight = np.maximum(table.probabilities[index], 1e-300)
        constant = np.log(weight / np.sqrt(2 * np.pi * total))
        single = variances + noise
        square = single[:heavy, None] * np.linspace(0, REACH, CELLS) ** 4
        part = constant[:, :, None] - 0.5 * square[:, None, :] / total[:, :, None]
        top = part.max(axis=1)
        part = np.exp((part - top[:, None]).astype(np.float32))
        mass = part.sum(axis=1)
        mean = np.einsum("wmc,wm->wc", part, (clean / total).astype(np.float32)) / mass
        return cls(
            vectors[:, order].astype(np.float32),
            heavy,
            (1 / np.sqrt(single[:heavy])).astype(np.float32),
            _with_differences(top + np.log(mass)),
            _with_differences(mean),
            (variances[heavy:] / single[heavy:]).astype(np.float32),
            (0.5 / single[heavy:]).astype(np.float32),
            float(-0.5 * np.log(2 * np.pi * single[heavy:]).sum()),
        )

    def log_density(self, c: Single) -> Single:
        """Log density of noisy coordinates, (n,)."""
        y = c @ self.vectors
        rest = y[:, self.heavy :]
        value = _look_up(self.density, *self._places(y)).sum(axis=1)
        return np.asarray(value - (rest * rest) @ self.half + np.float32(self.constant))

    def posterior_mean(self, c: Single) -> Single:
        """E[clean | noisy] (n, q)."""
        y = c @ self.vectors
        gains = np.empty_like(y)
        gains[:, self.heavy :] = self.gains
        gains[:, : self.heavy] = _look_up(self.mean, *self._places(y))
        return np.asarray((y * gains) @ self.vectors.T)

    def _places(self, y: Single) -> tuple[NDArray[np.int32], Single]:
        """Indices into the flat tables, and how far towards the next entry."""
        place = np.sqrt(np.abs(y[:, : self.heavy]) * self.inverse)
        place *= np.float32((CELLS - 1) / REACH)
        index = np.minimum(place, CELLS - 2).astype(np.int32)
        place -= index
        index += CELLS * np.arange(self.heavy, dtype=np.int32)
        return index, place


def _with_differences(table: Array) -> tuple[Single, Single]:
    """The entries and the differences to the next ones."""
    return table.astype(np.float32), np.diff(table, axis=1, append=0).astype(np.float32)


def _look_up(table: tuple[Single, Single], index: NDArray[np.int32], part: Single) -> Single:
    """Interpolated values of the tables, shaped as the indices."""
    return np.asarray(table[0].take(index) + part * table[1].take(index))
